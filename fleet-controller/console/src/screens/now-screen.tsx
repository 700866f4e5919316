import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import {
  CircleAlert,
  CircleX,
  Clock,
  History as HistoryIcon,
  Info,
  OctagonX,
  TriangleAlert,
} from 'lucide-react';
import type { ReactNode } from 'react';
import { useMemo } from 'react';
import {
  alarmsQuery,
  devicesQuery,
  eventsQuery,
  gapsQuery,
  gatewaysQuery,
  summaryQuery,
} from '../api/queries.ts';
import type { AlarmView, DeviceView, EventView, GapView, GatewayView, Summary } from '../api/types.ts';
import { age, timeOf, zone } from '../format/time.ts';
import { useNow } from '../live/hooks.ts';
import { Age } from '../shell/age.tsx';
import { Empty, Failed, Loading } from '../shell/states.tsx';

const DAY_MS = 86_400_000;

/** What needs a person now, and what happened last. */
export function NowScreen() {
  const summary = useQuery(summaryQuery);
  const alarms = useQuery(alarmsQuery);
  const devices = useQuery(devicesQuery);
  const gateways = useQuery(gatewaysQuery);
  const events = useQuery(eventsQuery());
  const dayAgoMs = useMemo(() => Math.floor((Date.now() - DAY_MS) / 60_000) * 60_000, []);
  const gaps = useQuery(gapsQuery(dayAgoMs));
  const error = summary.error ?? alarms.error ?? devices.error ?? gateways.error;

  return (
    <>
      <div className="page-head">
        <div>
          <h1>Now</h1>
          <p className="under">{summary.data !== undefined && <AsOf atMs={summary.data.atMs} />}</p>
        </div>
      </div>
      {error !== null && summary.data === undefined ? (
        <Failed error={error} retry={() => void summary.refetch()} />
      ) : (
        <>
          {summary.data === undefined ? (
            <Loading label="Loading the figures" lines={2} />
          ) : (
            <Figures summary={summary.data} />
          )}
          <div className="columns">
            <div>
              <section className="section" aria-labelledby="needs">
                <h2 id="needs">What needs you</h2>
                {alarms.data === undefined ||
                devices.data === undefined ||
                gateways.data === undefined ||
                summary.data === undefined ? (
                  <Loading label="Loading what needs you" />
                ) : (
                  <Needs
                    alarms={alarms.data.items}
                    devices={devices.data}
                    gateways={gateways.data}
                    summary={summary.data}
                  />
                )}
              </section>
              <section className="section" aria-labelledby="gaps">
                <h2 id="gaps">Declared gaps, last 24 hours</h2>
                {gaps.data === undefined ? (
                  <Loading label="Loading gaps" lines={2} />
                ) : (
                  <Gaps gaps={gaps.data.items} gateways={gateways.data ?? []} />
                )}
              </section>
            </div>
            <section className="section" aria-labelledby="events">
              <h2 id="events">What happened</h2>
              {events.data === undefined ? (
                <Loading label="Loading events" />
              ) : (
                <Events events={events.data.items} gateways={gateways.data ?? []} />
              )}
            </section>
          </div>
        </>
      )}
    </>
  );
}

function AsOf({ atMs }: { readonly atMs: number }) {
  return (
    <>
      Figures from <Age atMs={atMs} />, times in {zone}
    </>
  );
}

function Figures({ summary }: { readonly summary: Summary }) {
  return (
    <dl className="figures">
      <Figure term="Gateways online" value={summary.gateways.online} of={summary.gateways.total} />
      <Figure term="Devices online" value={summary.devices.online} of={summary.devices.total} />
      <Figure term="Active alarms" value={summary.alarmsActive} />
      <Figure term="Gaps, last 24 h" value={summary.gapsLast24h} />
      <Figure term="Samples/s stored" value={Math.round(summary.samplesPerS * 10) / 10} />
      <Figure term="Samples kept" value={summary.samplesStored} />
    </dl>
  );
}

function Figure({
  term,
  value,
  of,
}: {
  readonly term: string;
  readonly value: number;
  readonly of?: number;
}) {
  return (
    <div>
      <dt>{term}</dt>
      <dd>
        {value.toLocaleString()}
        {of !== undefined && <small> / {of.toLocaleString()}</small>}
      </dd>
    </div>
  );
}

const ALARM_STATES: Readonly<Record<string, string>> = {
  acknowledged: 'acknowledged',
  returned: 'over, not acknowledged',
};

interface NeedsProps {
  readonly alarms: readonly AlarmView[];
  readonly devices: readonly DeviceView[];
  readonly gateways: readonly GatewayView[];
  readonly summary: Summary;
}

function Needs({ alarms, devices, gateways, summary }: NeedsProps) {
  const offlineGateways = gateways.filter((gateway) => !gateway.online);
  const lostWith = new Set(offlineGateways.map((gateway) => gateway.id));
  const offlineDevices = devices.filter((device) => !device.online && !lostWith.has(device.gateway));
  if (alarms.length + offlineGateways.length + offlineDevices.length + summary.silent.length === 0) {
    return (
      <Empty>
        {devices.length === 0
          ? 'No device yet. Enrol a gateway and its devices show up here.'
          : 'Nothing. Every gateway and device is online, and no alarm is active.'}
      </Empty>
    );
  }
  return (
    <ul className="lines">
      {offlineGateways.map((gateway) => (
        <Line
          key={gateway.id}
          icon={<OctagonX size={17} className="tone-bad" aria-label="Offline" />}
          atMs={gateway.lastSeenMs}
        >
          Gateway <Link to="/gateways">{gateway.name}</Link> is offline, and {gateway.devices} devices with it
        </Line>
      ))}
      {alarms.map((alarm) => (
        <Line
          key={`${alarm.device} ${alarm.point} ${alarm.alarm}`}
          icon={<TriangleAlert size={17} className="tone-bad" aria-label="Alarm" />}
          atMs={alarm.sinceMs}
        >
          {alarm.device === null ? (
            alarm.message
          ) : (
            <Link to="/devices/$id" params={{ id: alarm.device }}>
              {alarm.message}
            </Link>
          )}
          {alarm.state !== 'unacknowledged' && <small> ({ALARM_STATES[alarm.state]})</small>}
        </Line>
      ))}
      {offlineDevices.map((device) => (
        <Line
          key={device.id}
          icon={<CircleX size={17} className="tone-bad" aria-label="Offline" />}
          atMs={device.sinceMs}
        >
          <Link to="/devices/$id" params={{ id: device.id }}>
            {device.name}
          </Link>{' '}
          is offline{device.why === null ? '' : `: ${device.why}`}
        </Line>
      ))}
      {summary.silent.map((device) => (
        <Line
          key={device.device}
          icon={<Clock size={17} className="tone-warn" aria-label="Silent" />}
          atMs={device.lastValueMs}
        >
          <Link to="/devices/$id" params={{ id: device.device }}>
            {device.name}
          </Link>{' '}
          is silent longer than expected
        </Line>
      ))}
    </ul>
  );
}

function Line({
  icon,
  atMs,
  children,
}: {
  readonly icon: ReactNode;
  readonly atMs: number | null;
  readonly children: ReactNode;
}) {
  return (
    <li>
      {icon}
      <p>{children}</p>
      <span className="when">
        <Age atMs={atMs} />
      </span>
    </li>
  );
}

const GAP_REASONS: Readonly<Record<string, string>> = {
  'journal-full': 'its journal was full',
  'gateway-down': 'it was not running',
  'disk-error': 'its disk refused to write',
  'journal-reset': 'its journal had to be started anew',
  'driver-restarted': 'a driver was restarted',
  'clock-jump': 'its clock jumped',
};

function Gaps({
  gaps,
  gateways,
}: {
  readonly gaps: readonly GapView[];
  readonly gateways: readonly GatewayView[];
}) {
  const names = new Map(gateways.map((gateway) => [gateway.id as string, gateway.name]));
  if (gaps.length === 0) return <Empty>None: history of the last day is whole.</Empty>;
  return (
    <ul className="lines">
      {gaps.slice(0, 8).map((gap) => (
        <Line
          key={`${gap.gateway} ${gap.fromMs}`}
          icon={<HistoryIcon size={17} className="tone-warn" aria-hidden />}
          atMs={gap.toMs}
        >
          {names.get(gap.gateway) ?? gap.gateway} recorded nothing for {age(gap.toMs - gap.fromMs)} because{' '}
          {GAP_REASONS[gap.reason] ?? gap.reason}
          {gap.samples !== null && `, ${gap.samples.toLocaleString()} samples`}
        </Line>
      ))}
    </ul>
  );
}

function Events({
  events,
  gateways,
}: {
  readonly events: readonly EventView[];
  readonly gateways: readonly GatewayView[];
}) {
  const names = new Map(gateways.map((gateway) => [gateway.id as string, gateway.name]));
  if (events.length === 0) return <Empty>Nothing yet.</Empty>;
  return (
    <ul className="lines">
      {events.slice(0, 20).map((event) => (
        <EventLine key={`${event.gateway} ${event.id}`} event={event} source={names.get(event.gateway)} />
      ))}
    </ul>
  );
}

/** @param source the gateway's name, where the reader does not know it already */
export function EventLine({
  event,
  source,
}: {
  readonly event: EventView;
  readonly source?: string | undefined;
}) {
  const now = useNow(60_000);
  return (
    <li>
      <EventIcon type={event.type} />
      <p>
        {event.message}
        {source !== undefined && <span className="quiet"> · {source}</span>}
      </p>
      <time className="when" dateTime={new Date(event.atMs).toISOString()}>
        {timeOf(event.atMs, now)}
      </time>
    </li>
  );
}

function EventIcon({ type }: { readonly type: string }) {
  if (type === 'alarm.raised')
    return <TriangleAlert size={17} className="tone-bad" aria-label="Alarm raised" />;
  if (type === 'device.offline') return <CircleX size={17} className="tone-bad" aria-label="Offline" />;
  if (type.startsWith('command.'))
    return <CircleAlert size={17} className="tone-warn" aria-label="Command" />;
  return <Info size={17} className="quiet" aria-hidden />;
}
