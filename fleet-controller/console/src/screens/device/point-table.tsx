import { Checkbox } from 'react-aria-components';
import type { DeviceDetail, PointView } from '../../api/types.ts';
import { formatValue } from '../../format/value.ts';
import { useLatest } from '../../live/hooks.ts';
import { Age } from '../../shell/age.tsx';
import { QualityTag } from '../../shell/states.tsx';
import { WriteButton } from './write-dialog.tsx';

interface PointTableProps {
  readonly device: DeviceDetail;
  readonly chosen: readonly string[];
  readonly onChoose: (point: string, isChosen: boolean) => void;
}

/** Every point with its newest value, drawn anew only when that point changed. */
export function PointTable({ device, chosen, onChoose }: PointTableProps) {
  const ordered = device.points.toSorted((a, b) => Number(a.class === 'score') - Number(b.class === 'score'));
  return (
    <table className="table">
      <caption className="visually-hidden">
        Points of {device.name} with their newest values; tick one to chart it
      </caption>
      <thead>
        <tr>
          <th scope="col">Point</th>
          <th scope="col" className="value">
            Value
          </th>
          <th scope="col" className="roomy">
            Quality
          </th>
          <th scope="col">Age</th>
          <th scope="col" className="act">
            <span className="visually-hidden">Write</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {ordered.map((point) => (
          <PointRow
            key={point.id}
            device={device}
            point={point}
            place={chosen.indexOf(point.id)}
            onChoose={onChoose}
          />
        ))}
      </tbody>
    </table>
  );
}

interface PointRowProps {
  readonly device: DeviceDetail;
  readonly point: PointView;
  /** Which series of the chart it is; −1 = none. */
  readonly place: number;
  readonly onChoose: PointTableProps['onChoose'];
}

function PointRow({ device, point, place, onChoose }: PointRowProps) {
  const latest = useLatest(device.id, point);
  const shown = formatValue(latest?.v ?? null, point.unit);
  const name = (
    <span className="point-name">
      {point.label ?? point.id}
      {point.label !== null && <small>{point.id}</small>}
    </span>
  );
  return (
    <tr data-chosen={place >= 0 || undefined}>
      <td>
        {point.kind === 'text' ? (
          name
        ) : (
          <Checkbox
            className={`pick swatch-${place + 1}`}
            isSelected={place >= 0}
            onChange={(isChosen) => onChoose(point.id, isChosen)}
          >
            <span className="box" aria-hidden />
            {name}
          </Checkbox>
        )}
      </td>
      <td className="value">
        {shown.text}
        <small>{shown.unit}</small>
      </td>
      <td className="roomy">
        {latest === undefined ? (
          <span className="quiet">no value yet</span>
        ) : (
          <QualityTag quality={latest.q} why={latest.why} />
        )}
      </td>
      <td>
        <Age atMs={latest?.tSource ?? null} />
      </td>
      <td className="act">
        {point.writable !== null && <WriteButton device={device} point={point} current={latest?.v ?? null} />}
      </td>
    </tr>
  );
}
