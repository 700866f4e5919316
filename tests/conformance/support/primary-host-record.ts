import type { TestBroker } from './brokers.ts';
import { FieldDevices } from './field-devices.ts';
import { type RunningGateway, startGateway } from './gateway-rig.ts';
import { MqttWire, type Sent } from './mqtt-wire.ts';
import { Peer } from './peer.ts';
import { type Published, publishedOn } from './published.ts';
import { until } from './until.ts';

const SITE = `
- id: pump
  driver: mqtt
  connect: { broker: local }
  points: { speed: { topic: s, as: float64 } }
`;

/** What an edge node with a primary host and two servers sent while that host came and went. */
export interface PrimaryHostRecord {
  readonly first: MqttWire;
  readonly second: MqttWire;
  /** By the step in which it was sent. */
  readonly published: readonly (Published & { readonly server: 'first' | 'second' })[];
  /** Packets to both servers in the order they were sent. */
  readonly log: readonly Sent[];
}

/** Runs a gateway whose primary host is `scada`, at two brokers in turn. */
export async function recordPrimaryHost(
  brokers: readonly [TestBroker, TestBroker],
): Promise<PrimaryHostRecord> {
  const log: Sent[] = [];
  const wires = [new MqttWire(brokers[0].port, log), new MqttWire(brokers[1].port, log)] as const;
  const [first, second] = wires;
  const hosts = [new Peer(), new Peer()] as const;
  const field = new FieldDevices();
  let gateway: RunningGateway | undefined;
  const step = (name: string) => {
    for (const wire of wires) wire.step = name;
  };
  const comes = (wire: MqttWire, type: string) =>
    until(() => {
      if (!publishedOn(wire).some((each) => each.type === type && each.step === wire.step)) {
        throw new Error(`no ${type} in step ${wire.step}`);
      }
    });
  const subscribed = (wire: MqttWire, times: number) =>
    until(() => {
      const here = wire.of('subscribe').filter((each) => each.step === wire.step);
      if (here.length < times) throw new Error(`subscribed ${here.length} times in step ${wire.step}`);
    });

  try {
    for (const [at, wire] of wires.entries()) {
      await wire.start();
      await hosts[at]?.start(brokers[at]?.port ?? 0);
    }
    step('waiting');
    gateway = await startGateway({
      name: 'box',
      site: SITE,
      more: `sparkplug: { group: plant, host: scada, every: 20ms, broker: ["${first.url}", "${second.url}"] }\n`,
      modules: field.modules,
    });
    await until(() => field.setOnline('pump'));
    await subscribed(first, 1);
    await hosts[0].state('other', true, 5000);
    await hosts[0].sendBytes('spBv1.0/STATE/scada', 'ONLINE');

    step('online');
    await hosts[0].state('scada', true, 1000);
    await comes(first, 'NBIRTH');
    await comes(first, 'DBIRTH');

    step('old offline');
    await hosts[0].state('scada', false, 900);
    field.send('pump', 'speed', 1);
    await comes(first, 'DDATA');

    step('offline');
    await hosts[0].state('scada', false, 1000);
    await comes(first, 'NDEATH');
    await subscribed(second, 1);

    step('online at the second');
    await hosts[1].state('scada', true, 500);
    await comes(second, 'NBIRTH');

    step('offline everywhere');
    await hosts[1].state('scada', false, 600);
    await comes(second, 'NDEATH');
    await subscribed(first, 1);

    step('old online');
    await hosts[1].state('scada', true, 550);
    await until(() => {
      const taken = second.of('puback').some((each) => each.step === second.step);
      if (!taken) throw new Error('the old state was not taken yet');
    });

    step('online again');
    await hosts[1].state('scada', true, 700);
    await comes(second, 'NBIRTH');
    step('end');
    await gateway.halt();
    const of = (wire: MqttWire, server: 'first' | 'second') =>
      publishedOn(wire).map((each) => ({ ...each, server }));
    return { first, second, log, published: [...of(first, 'first'), ...of(second, 'second')] };
  } finally {
    await gateway?.stop();
    for (const host of hosts) await host.stop();
    for (const wire of wires) await wire.stop();
  }
}
