import { InlineDevice } from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node';
import { MemoryLogger } from '@millwright/protocol/testing';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { BrokerFixture } from '../../broker/broker.fixture.ts';
import type { FoundDevice } from '../../devices/pending-devices.ts';
import { proposedPoints } from './proposed-points.ts';
import { UnreadMessages } from './unread-messages.ts';

const until = (check: () => void) => vi.waitFor(check, { timeout: 30_000, interval: 20 });

describe('what a message says about its device', () => {
  const seen = (topic: string, payload: string) => {
    const found = proposedPoints(topic, payload);
    return found && { root: found.root, points: Object.fromEntries(found.points) };
  };

  it.each([
    [
      'hall/th/state',
      '{"temperature":21.5,"online":true}',
      'hall/th',
      {
        temperature: { topic: '~/state', pick: '$.temperature', as: 'float64' },
        online: { topic: '~/state', pick: '$.online', as: 'bool' },
      },
    ],
    [
      'zigbee2mqtt/lamp',
      '{"state":"ON","linkquality":80}',
      'zigbee2mqtt/lamp',
      {
        state: { topic: '~', pick: '$.state', as: 'bool' },
        linkquality: { topic: '~', pick: '$.linkquality', as: 'float64' },
      },
    ],
    ['line4/press/pressure', '3.2', 'line4/press', { pressure: { topic: '~/pressure', as: 'float64' } }],
    ['door', 'open', 'door', { door: { topic: '~', as: 'text' } }],
    [
      'a/b',
      '{"x":{"y z":"7","it\'s":1}}',
      'a/b',
      {
        x_y_z: { topic: '~', pick: "$.x['y z']", as: 'float64' },
        x_it_s: { topic: '~', pick: "$.x['it\\'s']", as: 'float64' },
      },
    ],
  ])('%s %s', (topic, payload, root, points) => {
    expect(seen(topic, payload)).toEqual({ root, points });
    const device = { id: 'd', driver: 'mqtt', connect: { broker: 'local', base: root }, points };
    expect(InlineDevice.safeParse(device).error?.issues ?? []).toEqual([]);
  });

  it.each(['[]', '{}', 'null', '{"a":[1,2]}', '\u0000\u0001', '{"a":{"b":{"c":{"d":{"e":1}}}}}'])(
    'nothing: %s',
    (payload) => expect(seen('a/b', payload)).toBeUndefined(),
  );
});

describe('messages that belong to no device', () => {
  let fixture: BrokerFixture;
  let unread: UnreadMessages;
  const found: FoundDevice[] = [];
  afterEach(async () => {
    await unread.stop();
    await fixture.dispose();
    found.length = 0;
  });
  const begin = async () => {
    fixture = await BrokerFixture.started();
    const pending = { add: (device: FoundDevice) => found.push(device) > 0 };
    unread = new UnreadMessages({
      clock: systemClock,
      logger: new MemoryLogger(),
      broker: fixture.broker,
      pending,
    });
    await unread.start();
  };

  it('propose a device with what it said so far, and who it was', async () => {
    await begin();
    const sensor = await fixture.connectAs('hall', { publish: ['hall/#'] });
    await sensor.mqtt.publishAsync('hall/th/state', '{"temperature":21}', { qos: 1 });
    await sensor.mqtt.publishAsync('hall/th/battery', '80', { qos: 2 });
    await until(() => expect(found).toHaveLength(2));
    expect(found.at(-1)).toEqual({
      ...{ source: 'mqtt', key: 'mqtt:hall/th', name: 'hall/th', client: 'hall' },
      entry: {
        ...{ id: 'hall-th', name: 'hall/th', driver: 'mqtt', connect: { broker: 'local', base: 'hall/th' } },
        points: {
          temperature: { topic: '~/state', pick: '$.temperature', as: 'float64' },
          battery: { topic: '~/battery', as: 'float64' },
        },
      },
    });
  });

  it('are not those that somebody reads, nor our own, nor looked at more often than needed', async () => {
    await begin();
    fixture.broker.subscribe('known/+', () => undefined);
    fixture.broker.subscribe('#', () => undefined, { isRelay: true });
    fixture.broker.publish('own/x', '1');
    const sensor = await fixture.connectAs('sensor', { publish: ['#'] });
    await sensor.mqtt.publishAsync('known/x', '1', { qos: 1 });
    for (let no = 0; no < 50; no++) await sensor.mqtt.publishAsync('other/x', String(no), { qos: 1 });
    await until(() => expect(found.map(({ name }) => name)).toEqual(['other']));
  });

  it('are bounded, whatever a client invents', async () => {
    await begin();
    const liar = await fixture.connectAs('liar');
    for (let no = 0; no < 1500; no++) liar.mqtt.publish(`liar/${no}/x`, '1');
    const wide = Object.fromEntries(Array.from({ length: 500 }, (_, no) => [`k${no}`, no]));
    await liar.mqtt.publishAsync('liar/0/state', JSON.stringify(wide), { qos: 1 });
    await until(() => expect(new Set(found.map(({ name }) => name)).size).toBe(500));
    const points = found.findLast(({ name }) => name === 'liar/0')?.entry?.points;
    expect(Object.keys(Object(points))).toHaveLength(100);
  });
});
