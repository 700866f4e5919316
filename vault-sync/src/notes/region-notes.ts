import type { RegionSummary } from '@millwright/protocol';
import { fileName, plain, table } from '../markdown.ts';
import type { NoteSpec } from '../note.ts';

type Device = RegionSummary['devices'][number];
type Gateway = RegionSummary['gateways'][number];

/** Notes for everything a region told about: one per gateway, one per device. */
export function regionNotes(summary: RegionSummary): NoteSpec[] {
  const gateways = new Map(summary.gateways.map((gateway) => [gateway.id as string, gateway]));
  return [
    ...summary.gateways.map((gateway) => gatewayNote(summary, gateway)),
    ...summary.devices.map((device) => deviceNote(summary, device, gateways.get(device.gateway))),
  ];
}

function gatewayNote(summary: RegionSummary, gateway: Gateway): NoteSpec {
  const devices = summary.devices.filter((device) => device.gateway === gateway.id);
  return {
    id: gateway.id,
    path: `Gateways/${fileName(gateway.name)}.md`,
    owned: {
      type: 'gateway',
      region: summary.region,
      site: gateway.site,
      status: gateway.online ? 'online' : 'offline',
      last_seen: minute(gateway.lastSeenMs),
      version: gateway.version,
    },
    initial: { owner_note: '', tags: ['millwright/gateway'] },
    blocks: {
      state: [
        `**${plain(gateway.name)}** runs ${gateway.devices} devices of site ${plain(gateway.site)}.`,
        '',
        table(
          ['Device', 'Driver', 'Status'],
          devices.map((device) => [device.name, device.driver, device.online ? 'online' : 'offline']),
        ),
      ].join('\n'),
    },
  };
}

function deviceNote(summary: RegionSummary, device: Device, gateway: Gateway | undefined): NoteSpec {
  return {
    id: device.id,
    path: `Devices/${fileName(device.site)}/${fileName(device.name)}.md`,
    owned: {
      type: 'device',
      region: summary.region,
      site: device.site,
      model: device.type ?? device.driver,
      gateway: gateway === undefined ? device.gateway : `[[${fileName(gateway.name)}]]`,
      status: device.online ? 'online' : 'offline',
      ...(device.lastSeenMs === null ? {} : { last_seen: minute(device.lastSeenMs) }),
    },
    initial: { owner_note: '', tags: ['millwright/device'] },
    blocks: {
      state:
        device.points.length === 0
          ? 'This region keeps its values to itself.'
          : table(
              ['Point', 'Value', 'Quality', 'At (UTC)'],
              device.points.map((point) => [
                point.point,
                valueText(point.v, point.unit),
                point.q,
                minute(point.tSource),
              ]),
            ),
    },
  };
}

/** To the minute, so that a note is not rewritten for every second that passes. */
function minute(epochMs: number): string {
  return new Date(epochMs).toISOString().slice(0, 16);
}

function valueText(value: string | number | boolean | null, unit: string | undefined): string {
  if (value === null) return '–';
  const text = typeof value === 'number' ? Number(value.toPrecision(6)).toString() : String(value);
  return unit === undefined ? text : `${text} ${unit}`;
}
