import {
  type CatalogEntry,
  DeviceSlug,
  type DeviceStatus,
  MAX_ITEMS_PER_MESSAGE,
  PointId,
  PointNo,
  type UplinkUp,
} from '@millwright/protocol';
import { beforeEach, describe, expect, test } from 'vitest';
import { GatewayNews } from './gateway-news.ts';

describe('what a region is told beside the entries', () => {
  let lines: CatalogEntry[];
  let devices: DeviceStatus[];
  let change: (changed: readonly DeviceStatus[]) => void;
  let wakes: number;

  beforeEach(() => {
    lines = [line(0), line(1)];
    devices = [status('pump-1', true), status('pump-2', true)];
    wakes = 0;
  });

  function news(catalogSize = 0): GatewayNews {
    return new GatewayNews(
      {
        catalog: { entries: () => lines, onGrown: () => () => undefined },
        devices: {
          statuses: () => devices,
          onChanged: (listener) => {
            change = listener;
            return () => undefined;
          },
        },
        onNews: () => {
          wakes += 1;
        },
      },
      { catalogSize },
    );
  }
  const told = (of: GatewayNews): UplinkUp[] => [...of.messages()];

  test('begins with the catalogue lines it lacks and the whole list of devices', () => {
    expect(told(news(1))).toEqual([
      { type: 'catalog', from: 1, entries: [line(1)] },
      { type: 'devices', devices, complete: true },
    ]);
  });

  test('is nothing when nothing is new', () => {
    const it = news();
    told(it);
    expect(told(it)).toEqual([]);
  });

  test('names a changed device once, as it is now', () => {
    const it = news();
    told(it);
    change([status('pump-1', false)]);
    change([status('pump-1', true), status('pump-2', false)]);
    expect(wakes).toBe(2);
    expect(told(it)).toEqual([
      {
        type: 'devices',
        devices: [status('pump-1', true), status('pump-2', false)],
        complete: false,
      },
    ]);
  });

  test('is the whole list again when a device came or went', () => {
    const it = news();
    told(it);
    devices = [status('pump-1', true)];
    change([status('pump-2', false)]);
    expect(told(it)).toEqual([{ type: 'devices', devices, complete: true }]);
    devices = [];
    change([]);
    expect(told(it)).toEqual([{ type: 'devices', devices: [], complete: true }]);
  });

  test('comes in parts when there is much of it, and only the last says that it is complete', () => {
    lines = Array.from({ length: 2 * MAX_ITEMS_PER_MESSAGE + 1 }, (_, no) => line(no));
    devices = Array.from({ length: 2 * MAX_ITEMS_PER_MESSAGE + 1 }, (_, at) => status(`pump-${at}`, true));
    const messages = told(news());
    expect(messages.map((message) => (message.type === 'catalog' ? message.from : message.type))).toEqual([
      0,
      MAX_ITEMS_PER_MESSAGE,
      2 * MAX_ITEMS_PER_MESSAGE,
      'devices',
      'devices',
      'devices',
    ]);
    const lists = messages.filter((message) => message.type === 'devices');
    expect(lists.map(({ partial, complete }) => [partial, complete])).toEqual([
      [true, false],
      [true, false],
      [undefined, true],
    ]);
    expect(lists.flatMap((message) => message.devices)).toEqual(devices);
  });
});

function line(no: number): CatalogEntry {
  return {
    no: PointNo.parse(no),
    device: DeviceSlug.parse('pump-1'),
    point: PointId.parse(`p${no}`),
    kind: 'float64',
  };
}

function status(device: string, online: boolean): DeviceStatus {
  return { device: DeviceSlug.parse(device), name: device, driver: 'modbus', online, sinceMs: 1 };
}
