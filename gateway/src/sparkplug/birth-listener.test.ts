import { deviceTopic, encodePayload, type Metric, nodeTopic } from '@millwright/device-drivers/sparkplug';
import { InlineDevice } from '@millwright/protocol';
import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BrokerFixture } from '../broker/broker.fixture.ts';
import { LocalBrokerLink } from '../broker/local-link.ts';
import { PendingDevices, type SiteEntry } from '../devices/pending-devices.ts';
import { BirthListener, isKnownBirth } from './birth-listener.ts';

const LINE = { group: 'plant', node: 'Press line' };
const METRICS: readonly Metric[] = [
  { name: 'bdSeq', type: 'Int64', value: 0 },
  { name: 'Node Control/Rebirth', type: 'Boolean', value: false },
  {
    name: 'Drive/Speed',
    alias: 1,
    type: 'Float',
    value: 1.5,
    properties: { engUnit: { type: 'String', value: 'Hz' } },
  },
  {
    name: 'Drive Speed',
    type: 'Int64',
    value: 1,
    properties: { engUnit: { type: 'String', value: 'furlongs per fortnight' } },
  },
  { name: '…', type: 'Boolean', value: true },
  { name: 'Recipe', type: 'DataSet', value: null },
];

describe('edge nodes that are born on the own broker', () => {
  const until = (check: () => void) => vi.waitFor(check, { timeout: 30_000, interval: 20 });
  let broker: BrokerFixture;
  let link: LocalBrokerLink;
  let pending: PendingDevices;
  let listener: BirthListener;
  let kept: SiteEntry[];

  beforeEach(async () => {
    broker = await BrokerFixture.started({ dev: true });
    link = new LocalBrokerLink({ broker: broker.broker });
    await link.start();
    kept = [];
    pending = new PendingDevices({
      clock: new MemoryClock(),
      isTaken: () => false,
      isAdopted: () => false,
      keep: async (_key, entry) => {
        kept.push(entry);
      },
    });
    const spec = InlineDevice.parse({
      id: 'known',
      driver: 'sparkplug',
      connect: { broker: 'local', group: 'plant', node: 'known', device: 'd' },
      points: { a: { metric: 'a', as: 'float64' } },
    });
    listener = new BirthListener({
      logger: new MemoryLogger(),
      link,
      pending,
      isKnown: isKnownBirth(() => [{ spec }], { group: 'plant', node: 'box' }),
    });
    await listener.start();
  });
  afterEach(async () => {
    await listener.stop();
    await link.stop();
    await broker.dispose();
  });

  const birth = (topic: string, metrics = METRICS) =>
    link.publish(topic, encodePayload({ timestampMs: 1, seq: 0, metrics }));
  const waiting = () => pending.list().map(({ key }) => key);

  it('wait to be adopted, with a point for each metric that can be read', async () => {
    await birth(deviceTopic('DBIRTH', LINE, 'press 2'));
    await until(() => expect(waiting()).toEqual(['sparkplug:plant/Press line/press 2']));
    const [found] = pending.list();
    expect(found?.skipped).toEqual(['metric "Recipe" is of a type that is not read here']);
    await pending.adopt(found?.id ?? '');
    expect(InlineDevice.parse(kept[0])).toMatchObject({
      id: 'press-2',
      driver: 'sparkplug',
      connect: { broker: 'local', group: 'plant', node: 'Press line', device: 'press 2' },
      points: {
        Drive_Speed: { metric: 'Drive/Speed', as: 'float64', unit: 'Hz', label: 'Drive/Speed' },
        Drive_Speed_2: { metric: 'Drive Speed', as: 'int64' },
        metric: { metric: '…', as: 'bool' },
      },
    });
    expect(InlineDevice.parse(kept[0]).points).not.toHaveProperty('Drive_Speed_2.unit');
  });

  it('are not offered when they are this gateway, a device of it, or say nothing of themselves', async () => {
    await birth(nodeTopic('NBIRTH', { group: 'plant', node: 'box' }));
    await birth(deviceTopic('DBIRTH', { group: 'plant', node: 'box' }, 'meter'));
    await birth(deviceTopic('DBIRTH', { group: 'plant', node: 'known' }, 'd'));
    await birth(nodeTopic('NBIRTH', LINE), METRICS.slice(0, 2));
    await link.publish(nodeTopic('NBIRTH', LINE), 'no payload at all');
    await birth(deviceTopic('DBIRTH', { group: 'plant', node: 'known' }, 'other'));
    await until(() => expect(waiting()).toEqual(['sparkplug:plant/known/other']));
  });
});
