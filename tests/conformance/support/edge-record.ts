import { bad, qualityByte } from '@millwright/protocol';
import type { TestBroker } from './brokers.ts';
import { FieldDevices } from './field-devices.ts';
import { type RunningGateway, startGateway } from './gateway-rig.ts';
import { MqttWire } from './mqtt-wire.ts';
import { Peer } from './peer.ts';
import { metricOf, type Published, propertyOf, publishedOn } from './published.ts';
import { wireValue } from './sparkplug-message.ts';
import { until } from './until.ts';

const PUMP = `
- id: pump
  driver: mqtt
  connect: { broker: local }
  points:
    speed:
      { topic: s, as: float64, unit: Hz, label: Speed, write: { range: [0, 60] }, command: { topic: c } }
    running: { topic: r, as: bool }
    total: { topic: t, as: int64 }
    note: { topic: n, as: text }
`;
const FAN = `
- id: fan
  driver: mqtt
  connect: { broker: local }
  points:
    temperature: { topic: x, as: float64, unit: Cel }
`;

/** What an edge node sent while it lived through everything that can happen to it. */
export interface EdgeRecord {
  /** MQTT version it spoke: 4 is 3.1.1. */
  readonly version: number;
  readonly wire: MqttWire;
  readonly published: readonly Published[];
  /** What another client of the broker got. */
  readonly heard: Peer['heard'];
  readonly written: FieldDevices['written'];
  /** Topics that the broker keeps at the end. */
  readonly retained: readonly string[];
  /** Alias of the pump's speed. */
  readonly speedAlias: number;
}

/** Runs a gateway as an edge node of `plant`, called `box`, against a broker, and keeps what it sends. */
export async function recordEdgeNode(broker: TestBroker): Promise<EdgeRecord> {
  const wire = new MqttWire(broker.port);
  const peer = new Peer();
  const field = new FieldDevices();
  let gateway: RunningGateway | undefined;
  await wire.start();
  await peer.start(broker.port);
  const start = (folder?: string) =>
    startGateway({
      name: 'box',
      site: PUMP + FAN,
      more: `sparkplug: { group: plant, broker: "${wire.url}", every: 20ms, role: operator }\n`,
      modules: field.modules,
      ...(folder === undefined ? {} : { folder }),
    });
  const published = () => publishedOn(wire);
  const seen = (type: string, device?: string) =>
    published().filter((each) => each.type === type && each.device === device && each.step === wire.step);
  const comes = (type: string, device?: string) =>
    until(() => {
      const found = seen(type, device).at(-1);
      if (found === undefined) throw new Error(`no ${type} ${device ?? ''} in step ${wire.step}`);
      return found;
    });
  /** Waits until the metric of this alias has been told to be `value`. */
  const told = (alias: number, value: unknown) =>
    until(() => {
      const metrics = seen('DDATA', 'pump').flatMap(({ message }) => message.metrics);
      const metric = metrics.findLast((each) => each.alias === alias);
      if (metric === undefined || wireValue(metric) !== value) throw new Error(`no ${String(value)} yet`);
      return metric;
    });

  try {
    wire.step = 'start';
    gateway = await start();
    await comes('NBIRTH');
    await until(() => field.setOnline('pump'));
    field.send('pump', 'running', true);
    const birth = await comes('DBIRTH', 'pump');
    const aliasOf = (name: string) => metricOf(birth.message, name)?.alias ?? -1;
    const speed = aliasOf('speed');
    const running = aliasOf('running');

    wire.step = 'changes';
    field.send('pump', 'speed', 10);
    await told(speed, 10);

    wire.step = 'unchanged';
    for (let turn = 0; turn < 3; turn++) field.send('pump', 'speed', 10);
    field.send('pump', 'running', false);
    await told(running, false);

    wire.step = 'several';
    const nowMs = Date.now();
    field.send('pump', 'note', 'hello', 0, nowMs);
    field.send('pump', 'speed', 11, 0, nowMs - 50);
    field.send('pump', 'total', 9_007_199_254_740_993n, 0, nowMs - 20);
    await told(speed, 11);

    wire.step = 'second device';
    field.setOnline('fan');
    await comes('DBIRTH', 'fan');
    await comes('NDATA');

    wire.step = 'device away';
    field.setOnline('fan', 'was unplugged');
    await comes('DDEATH', 'fan');
    field.send('fan', 'temperature', 20);

    wire.step = 'device back';
    field.setOnline('fan');
    await comes('DBIRTH', 'fan');

    wire.step = 'no value';
    field.send('pump', 'speed', null, bad('device-error'));
    await until(() => {
      const metric = seen('DDATA', 'pump').at(-1)?.message.metrics[0];
      if (metric?.isNull !== true) throw new Error('not yet');
    });

    wire.step = 'stale value';
    field.send('pump', 'speed', 12, qualityByte('uncertain', 'stale'));
    await until(() => {
      const metric = seen('DDATA', 'pump').at(-1)?.message.metrics[0];
      if (metric === undefined || propertyOf(metric, 'Quality')?.intValue !== 500) throw new Error('not yet');
    });

    wire.step = 'rebirth';
    const metrics = [{ name: 'Node Control/Rebirth', type: 'Boolean', value: true } as const];
    await peer.send('spBv1.0/plant/NCMD/box', { metrics });
    await comes('NBIRTH');
    await comes('DBIRTH', 'pump');
    await comes('DBIRTH', 'fan');

    wire.step = 'second rebirth';
    await peer.send('spBv1.0/plant/NCMD/box', { metrics });
    await until(() => {
      if (!wire.of('puback').some(({ step }) => step === wire.step)) throw new Error('not taken yet');
    });
    field.send('pump', 'speed', 13);
    await comes('NBIRTH');
    field.send('pump', 'speed', 14);
    await told(speed, 14);

    wire.step = 'write';
    await peer.send('spBv1.0/plant/DCMD/box/pump', {
      metrics: [{ alias: speed, type: 'Double', value: 30 } as const] as never,
    });
    await told(speed, 30);

    wire.step = 'many';
    for (let turn = 0; ; turn++) {
      const value = 15 + (turn % 40) + turn / 1000;
      field.send('pump', 'speed', value);
      await told(speed, value);
      if (seen('DDATA', 'pump').some(({ message }) => message.seq === 0) && turn > 256) break;
    }

    wire.step = 'described anew';
    await gateway.reload(`${PUMP.replace('label: Speed', 'label: Pump speed')}${FAN}`);
    await until(() => field.setOnline('pump'));
    await comes('DBIRTH', 'pump');

    wire.step = 'cut';
    wire.cut();
    await comes('NBIRTH');
    await comes('DBIRTH', 'pump');
    await until(() => {
      if (!peer.heard.some(({ type }) => type === 'NDEATH')) throw new Error('no will yet');
    });

    wire.step = 'stop';
    await gateway.halt();
    wire.step = 'again';
    gateway = await start(gateway.folder);
    await comes('NBIRTH');
    wire.step = 'end';
    await gateway.halt();

    const connect = wire.of('connect').at(-1)?.packet;
    return {
      version: connect?.protocolVersion ?? 0,
      wire,
      published: published(),
      heard: peer.heard,
      written: field.written,
      retained: await Peer.retainedAt(broker.port),
      speedAlias: speed,
    };
  } finally {
    await gateway?.stop();
    await peer.stop();
    await wire.stop();
  }
}
