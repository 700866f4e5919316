import { PointNo } from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node';
import { MemoryLogger } from '@millwright/protocol/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Driver } from '../driver.ts';
import { MqttClientLink } from '../mqtt/client-link.ts';
import { LoopbackBroker } from '../mqtt/loopback-broker.fixture.ts';
import { type DriverPeer, describeDriver, Recorder } from '../testing/index.ts';
import type { TestEdgeNode } from './edge-node.fixture.ts';
import { sparkplugDriver } from './index.ts';
import { METRIC, PRESS_POINTS, pressAt, pressEdgeNode, SETPOINT } from './press.fixture.ts';

const never = new AbortController().signal;

async function createPeer(options: { readonly local: boolean }): Promise<DriverPeer<'sparkplug'>> {
  const broker = await LoopbackBroker.create();
  await broker.start();
  const edge = pressEdgeNode(broker.url);
  const link = options.local
    ? new MqttClientLink(
        { clock: systemClock, logger: new MemoryLogger() },
        { url: broker.url, clientId: 'own' },
      )
    : undefined;
  await link?.start();
  if (link === undefined) await broker.cut();
  return {
    device: pressAt(options.local ? 'local' : broker.url),
    ...(link === undefined ? {} : { deps: { localBroker: link } }),
    start: async () => {
      await broker.start();
      await edge.start();
    },
    stop: async () => {
      if (link === undefined) await broker.cut();
      else await edge.stop();
      await vi.waitFor(() => edge.stop());
    },
    set: (point, value) => edge.set(METRIC.get(point) ?? '', value),
    get: async (point) => edge.metrics.get(METRIC.get(point) ?? '')?.value ?? null,
    spoil: () => edge.sendData([{ alias: 1, type: 'String', withType: false, value: 'hot' }]),
    connections: () => (link === undefined ? Math.max(0, broker.connections - 1) : 0),
    dispose: async () => {
      await edge.stop();
      await link?.stop();
      await broker.dispose();
    },
  };
}

for (const local of [false, true]) {
  describeDriver({
    name: local ? 'Sparkplug on the own broker' : 'Sparkplug on another broker',
    module: sparkplugDriver,
    createPeer: () => createPeer({ local }),
    points: PRESS_POINTS,
    values: [21, 36],
    unplugs: true,
    reads: false,
    recoveryMs: 30_000,
  });
}

describe('the Sparkplug driver', () => {
  const patience = { timeout: 30_000, interval: 20 };
  let broker: LoopbackBroker;
  let edge: TestEdgeNode;
  let seen: Recorder;
  let driver: Driver;

  const latest = (no: number) => seen.latest(PointNo.parse(no));

  beforeEach(async () => {
    broker = await LoopbackBroker.create();
    await broker.start();
    edge = pressEdgeNode(broker.url);
    seen = new Recorder();
    driver = sparkplugDriver.create([pressAt(broker.url)], seen.deps());
    await edge.start();
    await driver.start();
    await vi.waitFor(() => expect(latest(0)).toMatchObject({ v: 20, q: 'good' }), patience);
  });
  afterEach(async () => {
    await driver.stop();
    await edge.stop();
    await broker.dispose();
  });

  it('asks an edge node that was born before it came for a rebirth', () => {
    expect(edge.rebirths).toBe(1);
    expect(seen.history(pressAt(broker.url).spec.id)).toEqual(['up']);
  });

  it('asks for a rebirth when a message is missing, and keeps what came after it', async () => {
    await edge.sendData([{ alias: 1, type: 'Double', withType: false, value: 50 }], { skip: 1 });
    await vi.waitFor(() => expect(edge.rebirths).toBe(2), patience);
    expect(seen.of(PointNo.parse(0)).map(({ v }) => v)).toContain(50);
    expect(seen.samples.filter(({ q }) => q === 'bad')).toEqual([]);
  });

  it('asks for a rebirth when a metric was never announced', async () => {
    await edge.sendData([{ alias: 77, type: 'Double', withType: false, value: 1 }]);
    await vi.waitFor(() => expect(edge.rebirths).toBe(2), patience);
  });

  it('takes over the quality an edge node gives', async () => {
    const send = (value: number | null, quality: number) =>
      edge.sendData([
        {
          alias: 1,
          type: 'Double',
          withType: false,
          value,
          properties: { Quality: { type: 'Int32', value: quality } },
        },
      ]);
    await send(30, 500);
    await vi.waitFor(
      () => expect(latest(0)).toMatchObject({ v: 30, q: 'uncertain', why: 'stale' }),
      patience,
    );
    await send(31, 0);
    await vi.waitFor(() => expect(latest(0)).toMatchObject({ v: null, q: 'bad', why: 'peer-bad' }), patience);
    await send(32, 192);
    await vi.waitFor(() => expect(latest(0)).toMatchObject({ v: 32, q: 'good' }), patience);
  });

  it('leaves out what was kept while the edge node was away: it is no present value', async () => {
    await edge.sendData([{ alias: 1, type: 'Double', value: 5, isHistorical: true, timestampMs: 1000 }]);
    await edge.set('Bearing/Temperature', 41);
    await vi.waitFor(() => expect(latest(0)).toMatchObject({ v: 41 }), patience);
    expect(seen.of(PointNo.parse(0)).map(({ v }) => v)).not.toContain(5);
  });

  it('marks a device dead at the time its edge node says, while the edge node lives on', async () => {
    await edge.send('DDEATH', []);
    await vi.waitFor(
      () => expect(latest(1)).toMatchObject({ v: null, q: 'bad', why: 'disconnected' }),
      patience,
    );
    const write = driver.write(pressAt(broker.url).spec.id, SETPOINT, 1, { signal: never });
    await expect(write).rejects.toMatchObject({ code: 'DEVICE_OFFLINE' });
  });

  it('tells its plan in the words of Sparkplug', () => {
    expect(sparkplugDriver.plan?.(pressAt('local').spec)).toMatchObject({
      requests: [
        { request: 'subscribe spBv1.0/plant/+/press-line/#', points: ['temperature', 'setpoint'] },
        { request: 'publish spBv1.0/STATE/box' },
      ],
      notes: [
        'asks on spBv1.0/plant/NCMD/press-line for a rebirth when a message is missing',
        'writes go to spBv1.0/plant/DCMD/press-line/press-2',
      ],
    });
  });

  it('refuses a value that the metric cannot hold', async () => {
    const write = driver.write(pressAt(broker.url).spec.id, SETPOINT, 1.5, { signal: never });
    await expect(write).rejects.toMatchObject({ code: 'VALUE_TYPE' });
  });
});
