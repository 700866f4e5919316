import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { TriangleAlert } from 'lucide-react';
import { lazy, Suspense, useState } from 'react';
import { deviceQuery, eventsQuery, gatewaysQuery } from '../../api/queries.ts';
import type { DeviceDetail } from '../../api/types.ts';
import { Age } from '../../shell/age.tsx';
import { Empty, Failed, Loading, OnlineTag } from '../../shell/states.tsx';
import { EventLine } from '../now-screen.tsx';
import { PointTable } from './point-table.tsx';

/** uPlot is fetched only when a chart is shown. */
const Trend = lazy(() => import('../../chart/trend.tsx').then((module) => ({ default: module.Trend })));

const MOST_SERIES = 4;

/** One device: what it says now, what it said before, and what may be written. */
export function DeviceScreen({ id }: { readonly id: string }) {
  const device = useQuery(deviceQuery(id));
  if (device.data === undefined) {
    return device.error === null ? (
      <Loading label="Loading the device" lines={12} />
    ) : (
      <Failed error={device.error} retry={() => void device.refetch()} />
    );
  }
  return <Loaded device={device.data} />;
}

function Loaded({ device }: { readonly device: DeviceDetail }) {
  const gateways = useQuery(gatewaysQuery);
  const events = useQuery(eventsQuery(device.id));
  const [chosen, setChosen] = useState<readonly string[]>(() => firstChoice(device));
  const gateway = gateways.data?.find((each) => each.id === device.gateway)?.name ?? device.gateway;
  const series = chosen.flatMap((point) => device.points.find((each) => each.id === point) ?? []);

  const choose = (point: string, isChosen: boolean) =>
    setChosen((before) =>
      isChosen
        ? [...before.filter((each) => each !== point), point].slice(-MOST_SERIES)
        : before.filter((each) => each !== point),
    );

  return (
    <>
      <nav className="crumb" aria-label="Where this is">
        <Link to="/devices">Devices</Link> / {device.site}
      </nav>
      <div className="page-head">
        <div>
          <h1>{device.name}</h1>
          <p className="under">
            {device.type ?? device.driver} over {device.driver}, by gateway {gateway}
          </p>
        </div>
        <p>
          <OnlineTag online={device.online} why={device.why} /> <span className="quiet">since</span>{' '}
          <Age atMs={device.sinceMs} />
        </p>
      </div>
      {!device.online && device.why !== null && (
        <div className="error" role="status">
          <p>{device.why}</p>
          <p className="quiet">The gateway keeps trying by itself.</p>
        </div>
      )}
      {device.alarms.length > 0 && (
        <ul className="lines">
          {device.alarms.map((alarm) => (
            <li key={`${alarm.point} ${alarm.alarm}`}>
              <TriangleAlert size={17} className="tone-bad" aria-label="Alarm" />
              <p>{alarm.message}</p>
              <span className="when">
                <Age atMs={alarm.sinceMs} />
              </span>
            </li>
          ))}
        </ul>
      )}
      <section className="section" aria-label="History">
        {series.length === 0 ? (
          <p className="empty">Choose up to {MOST_SERIES} points below to see how they went.</p>
        ) : (
          <Suspense fallback={<Loading label="Loading the chart" lines={8} />}>
            <Trend device={device.id} points={series} />
          </Suspense>
        )}
      </section>
      <section className="section" aria-labelledby="points">
        <h2 id="points">Points</h2>
        {device.points.length === 0 ? (
          <Empty>This device has no points.</Empty>
        ) : (
          <PointTable device={device} chosen={chosen} onChoose={choose} />
        )}
      </section>
      <section className="section" aria-labelledby="device-events">
        <h2 id="device-events">What happened to it</h2>
        {events.data === undefined ? (
          <Loading label="Loading events" lines={3} />
        ) : events.data.items.length === 0 ? (
          <Empty>Nothing yet.</Empty>
        ) : (
          <ul className="lines">
            {events.data.items.slice(0, 12).map((event) => (
              <EventLine key={event.id} event={event} />
            ))}
          </ul>
        )}
      </section>
    </>
  );
}

/** The chart opens with the first measurement, not empty. */
function firstChoice(device: DeviceDetail): readonly string[] {
  const numeric = device.points.filter(
    (point) => point.kind !== 'text' && point.kind !== 'bool' && point.class !== 'score',
  );
  const first = numeric.find((point) => point.class === 'measurement') ?? numeric[0];
  return first === undefined ? [] : [first.id];
}
