import { sparkplugDriver } from '@millwright/device-drivers/sparkplug';
import { Recorder } from '@millwright/device-drivers/testing';
import { type DeviceSpecOf, InlineDevice, PointId, PointNo } from '@millwright/protocol';
import type { TestBroker } from './brokers.ts';
import { MqttWire } from './mqtt-wire.ts';
import { encodePayload, Peer, type PeerMetric } from './peer.ts';
import { type Published, publishedOn } from './published.ts';
import { until } from './until.ts';

export const SPEED = PointNo.parse(0);
export const LIMIT = PointNo.parse(1);
export const MODE = PointNo.parse(2);
const never = new AbortController().signal;

export interface HostRecord {
  readonly version: number;
  readonly wire: MqttWire;
  readonly published: readonly Published[];
  /** What another client of the broker got. */
  readonly heard: Peer['heard'];
  readonly seen: Recorder;
  /** Wall time at the beginning of each step. */
  readonly stepMs: ReadonlyMap<string, number>;
  /** What the edge node wrote into its DDEATH. */
  readonly deviceDeathMs: number;
}

function device(id: string, broker: string, more: object, points: Record<string, object>, first: number) {
  const spec = InlineDevice.parse({
    id,
    driver: 'sparkplug',
    connect: { broker, group: 'plant', node: 'line', host: 'scada', reorder: '500ms', ...more },
    points,
  }) as DeviceSpecOf<'sparkplug'>;
  const numbers = Object.keys(points).map(
    (point, at) => [PointId.parse(point), PointNo.parse(first + at)] as const,
  );
  return { spec, numbers: new Map(numbers) };
}

/** Runs the Sparkplug driver as host application `scada` beside an edge node of another make, and keeps what both say. */
export async function recordHost(broker: TestBroker): Promise<HostRecord> {
  const wire = new MqttWire(broker.port);
  const edge = new Peer();
  const seen = new Recorder();
  const stepMs = new Map<string, number>();
  await wire.start();
  await edge.start(broker.port);
  const press = device(
    'press',
    wire.url,
    { device: 'press' },
    {
      speed: { metric: 'Drive/Speed', as: 'float64' },
      limit: { metric: 'Limit', as: 'float64', write: {} },
    },
    0,
  );
  const line = device('line', wire.url, {}, { mode: { metric: 'Mode', as: 'text', write: {} } }, 2);
  const driver = sparkplugDriver.create([press, line], seen.deps());

  const step = (name: string) => {
    wire.step = name;
    stepMs.set(name, seen.clock.wallMs());
  };
  const sent = (type: string) =>
    until(() => {
      const found = publishedOn(wire).filter((each) => each.type === type && each.step === wire.step);
      if (found.length === 0) throw new Error(`no ${type} in step ${wire.step}`);
    });
  const known = (no: PointNo, expected: unknown) =>
    until(() => {
      const sample = seen.latest(no);
      if (sample?.v !== expected) throw new Error(`${no} is ${String(sample?.v)}, not ${String(expected)}`);
    });
  const data = (seq: number, value: number) =>
    edge.send('spBv1.0/plant/DDATA/line/press', {
      seq,
      metrics: [{ alias: 1, type: 'Double', value, timestamp: seen.clock.wallMs() }],
    });
  const bdSeq: PeerMetric = { name: 'bdSeq', type: 'Int64', value: 7 };
  const birth = async () => {
    await edge.send('spBv1.0/plant/NBIRTH/line', {
      seq: 0,
      metrics: [
        bdSeq,
        { name: 'Node Control/Rebirth', type: 'Boolean', value: false },
        { name: 'Mode', alias: 9, type: 'String', value: 'auto' },
      ],
    });
    await deviceBirth(1);
  };
  const deviceBirth = (seq: number) =>
    edge.send('spBv1.0/plant/DBIRTH/line/press', {
      seq,
      metrics: [
        { name: 'Drive/Speed', alias: 1, type: 'Double', value: 1 },
        { name: 'Limit', type: 'Int32', value: 100 },
      ],
    });

  try {
    step('start');
    await driver.start();
    await sent('STATE');
    await sent('NCMD');

    step('birth');
    await birth();
    await known(SPEED, 1);
    await known(MODE, 'auto');

    step('write');
    await driver.write(press.spec.id, PointId.parse('limit'), 80, { signal: never });
    await driver.write(press.spec.id, PointId.parse('speed'), 2.5, { signal: never });
    await driver.write(line.spec.id, PointId.parse('mode'), 'manual', { signal: never });
    await sent('DCMD');
    await sent('NCMD');

    step('out of order');
    await data(2, 2);
    await data(4, 4);
    await data(3, 3);
    await known(SPEED, 4);
    await data(5, 5);
    await known(SPEED, 5);

    step('missing');
    await data(7, 7);
    await sent('NCMD');

    step('reborn');
    await birth();
    await known(SPEED, 1);

    step('device dead');
    const deviceDeathMs = seen.clock.wallMs() - 1234;
    await edge.send('spBv1.0/plant/DDEATH/line/press', { seq: 2, metrics: [], timestamp: deviceDeathMs });
    await known(SPEED, null);

    step('device back');
    await deviceBirth(3);
    await known(SPEED, 1);

    step('contradicted');
    await edge.state('scada', false, 1);
    await sent('STATE');

    step('node dead');
    const death = Buffer.from(encodePayload({ timestamp: 1, metrics: [bdSeq] }));
    await edge.sendBytes('spBv1.0/plant/NDEATH/line', death);
    await known(MODE, null);
    await known(SPEED, null);

    step('cut');
    wire.cut();
    await sent('STATE');

    step('stop');
    await driver.stop();
    await until(() => {
      if (wire.of('disconnect').length === 0) throw new Error('no farewell yet');
    });
    const connect = wire.of('connect').at(-1)?.packet;
    return {
      version: connect?.protocolVersion ?? 0,
      wire,
      published: publishedOn(wire),
      heard: edge.heard,
      seen,
      stepMs,
      deviceDeathMs,
    };
  } finally {
    await driver.stop();
    await edge.stop();
    await wire.stop();
  }
}
