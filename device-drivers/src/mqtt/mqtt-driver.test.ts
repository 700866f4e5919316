import {
  type DeviceSpecOf,
  InlineDevice,
  PointId,
  PointNo,
  type SampleBatch,
  type Value,
} from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node';
import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { describe, expect, it, vi } from 'vitest';
import type { DriverDevice, MqttLink } from '../driver.ts';
import { type DriverPeer, describeDriver, Recorder } from '../testing/index.ts';
import { MqttClientLink } from './client-link.ts';
import { mqttDriver } from './index.ts';
import { LoopbackBroker } from './loopback-broker.fixture.ts';

const id = (text: string) => PointId.parse(text);

function device(yaml: object, firstNo = 0): DriverDevice<'mqtt'> {
  const spec = InlineDevice.parse({ driver: 'mqtt', ...yaml }) as DeviceSpecOf<'mqtt'>;
  const numbers = new Map(
    Object.keys(spec.points).map((point, index) => [id(point), PointNo.parse(firstNo + index)]),
  );
  return { spec, numbers };
}

const HALL = {
  id: 'hall-th',
  points: {
    temperature: { topic: '~/state', pick: '$.temperature', as: 'float64', unit: 'Cel' },
    setpoint: {
      topic: '~/setpoint',
      as: 'float64',
      unit: 'Cel',
      write: { range: [5, 90] },
      command: { topic: '~/setpoint/set' },
    },
  },
};

interface PeerOptions {
  readonly connect: object;
  /** The device goes away and leaves a last will; else the whole broker does. */
  readonly onlyDevice?: boolean;
  readonly localLink?: boolean;
}

/** A thermostat that keeps its values retained on a real broker and obeys its command topic. */
async function thermostat(options: PeerOptions): Promise<DriverPeer<'mqtt'>> {
  const broker = await LoopbackBroker.create();
  await broker.start();
  const values = new Map<string, Value>([
    ['temperature', 20],
    ['setpoint', 20],
  ]);
  const local: MqttLink | undefined = options.localLink
    ? new MqttClientLink(
        { clock: systemClock, logger: new MemoryLogger() },
        { url: broker.url, clientId: 'local' },
      )
    : undefined;
  await local?.start();
  if (!options.onlyDevice && !local) await broker.cut();
  const own = new MqttClientLink(
    { clock: systemClock, logger: new MemoryLogger() },
    { url: broker.url, clientId: 'thermostat', will: { topic: 'hall/th/lwt', payload: 'offline' } },
  );
  const tell = async (point: string) => {
    const value = values.get(point) ?? null;
    const [topic, payload] =
      point === 'temperature'
        ? ['hall/th/state', JSON.stringify({ temperature: value })]
        : ['hall/th/setpoint', String(value)];
    await own.publish(topic, payload, { retain: true, qos: 1 }).catch(() => undefined);
  };
  own.subscribe('hall/th/setpoint/set', (_topic, payload) => {
    values.set('setpoint', Number(Buffer.from(payload).toString()));
    void tell('setpoint');
  });
  own.onState((connected) => {
    if (!connected) return;
    void own.publish('hall/th/lwt', 'online', { retain: true, qos: 1 }).then(async () => {
      await tell('temperature');
      await tell('setpoint');
    });
  });
  const broken = options.onlyDevice ? [] : [broker];
  let connected = false;
  own.onState((state) => {
    connected = state;
  });
  return {
    device: device({ ...HALL, connect: { broker: broker.url, base: 'hall/th', ...options.connect } }),
    ...(local ? { deps: { localBroker: local } } : {}),
    start: async () => {
      for (const part of broken) await part.start();
      await own.start();
      await vi.waitFor(() => expect(connected).toBe(true), 10_000);
    },
    stop: async () => {
      if (options.onlyDevice && connected)
        await own.publish('hall/th/lwt', 'offline', { retain: true, qos: 1 });
      await own.stop();
      for (const part of broken) await part.cut();
    },
    set: async (point, value) => {
      values.set(point, value);
      await tell(point);
    },
    get: async (point) => values.get(point) ?? null,
    spoil: async () => own.publish('hall/th/state', '{"temperature": warm}', { retain: true, qos: 1 }),
    connections: () => Math.max(0, broker.connections - (connected ? 1 : 0) - (local ? 1 : 0)),
    dispose: async () => {
      await own.stop();
      await local?.stop();
      await broker.dispose();
    },
  };
}

const contract = {
  module: mqttDriver,
  points: { number: id('temperature'), writable: id('setpoint'), spoilable: id('temperature') },
  values: [21.5, 22.25],
  unplugs: true,
  reads: false,
} as const;
describeDriver({
  ...contract,
  name: 'mqtt, the broker goes away',
  createPeer: () => thermostat({ connect: {} }),
});
describeDriver({
  ...contract,
  name: 'mqtt, the device goes away',
  createPeer: () => thermostat({ connect: { availability: '~/lwt' }, onlyDevice: true }),
});
describeDriver({
  ...contract,
  name: "mqtt, on the gateway's own broker",
  createPeer: () =>
    thermostat({ connect: { broker: 'local', availability: '~/lwt' }, onlyDevice: true, localLink: true }),
});

/** A link in the test's hands: what a broker would deliver, exactly when wanted. */
class HandLink implements MqttLink {
  readonly handlers = new Map<string, ((topic: string, payload: Uint8Array, retained: boolean) => void)[]>();
  readonly sent: string[] = [];
  listener: ((connected: boolean) => void) | undefined;
  async start(): Promise<void> {
    this.listener?.(true);
  }
  async stop(): Promise<void> {
    this.listener?.(false);
  }
  subscribe(
    filter: string,
    handler: (topic: string, payload: Uint8Array, retained: boolean) => void,
  ): () => void {
    this.handlers.set(filter, [...(this.handlers.get(filter) ?? []), handler]);
    return () => this.handlers.delete(filter);
  }
  async publish(topic: string, payload: Uint8Array | string): Promise<void> {
    this.sent.push(`${topic}=${payload}`);
  }
  onState(listener: (connected: boolean) => void): () => void {
    this.listener = listener;
    listener(false);
    return () => {
      this.listener = undefined;
    };
  }
  say(topic: string, payload: string | Uint8Array): void {
    for (const handler of this.handlers.get(topic) ?? []) handler(topic, Buffer.from(payload), false);
  }
}

async function running(...devices: DriverDevice<'mqtt'>[]) {
  const link = new HandLink();
  const seen = new Recorder();
  const clock = new MemoryClock();
  const driver = mqttDriver.create(devices, seen.deps({ clock, localBroker: link }));
  await driver.start();
  const last = (no: number) => {
    const { v, q, why } = seen.latest(PointNo.parse(no)) ?? {};
    return why === undefined ? [v, q] : [v, q, why];
  };
  return { link, seen, clock, driver, last };
}

const point = (more: object) => device({ id: 'd', connect: { broker: 'local' }, points: { p: more } });

describe('mqtt driver', () => {
  it('subscribes once to a topic that serves many points and devices', async () => {
    const points = {
      a: { topic: 'hall/state', pick: '$.a', as: 'float64' },
      b: { topic: 'hall/state', pick: '$.b', as: 'bool' },
    };
    const { link, driver, last } = await running(
      device({ id: 'one', connect: { broker: 'local', availability: 'hall/state' }, points }),
      device({ id: 'two', connect: { broker: 'local' }, points }, 2),
    );
    expect([...link.handlers].map(([filter, handlers]) => [filter, handlers.length])).toEqual([
      ['hall/state', 1],
    ]);
    link.say('hall/state', '{"a":1.5,"b":true,"state":"online"}');
    expect([0, 1, 2, 3].map(last)).toEqual([
      [1.5, 'good'],
      [true, 'good'],
      [1.5, 'good'],
      [true, 'good'],
    ]);
    await driver.stop();
    expect(link.handlers.size).toBe(0);
  });

  it.each([
    ['float64', {}, '21.5', [21.5, 'good']],
    ['float64', {}, ' -4e2\n', [-400, 'good']],
    ['float64', { scale: 0.1 }, '215', [21.5, 'good']],
    ['float64', {}, '', [null, 'bad', 'decode-error']],
    ['float64', {}, 'warm', [null, 'bad', 'decode-error']],
    ['float64', {}, '0x10', [null, 'bad', 'decode-error']],
    ['float64', {}, '1e999', [null, 'bad', 'decode-error']],
    ['float64', {}, 'nan', [null, 'bad', 'sensor-fault']],
    ['int64', {}, '9007199254740993', [9007199254740993n, 'good']],
    ['int64', {}, '9223372036854775808', [null, 'bad', 'out-of-range']],
    ['int64', {}, '2.5', [null, 'bad', 'decode-error']],
    ['bool', {}, 'ON', [true, 'good']],
    ['bool', {}, '0', [false, 'good']],
    ['bool', {}, '2', [null, 'bad', 'decode-error']],
    ['text', {}, ' as it is ', [' as it is ', 'good']],
    ['float64', { pick: '$.t' }, '{"t":"21.5"}', [21.5, 'good']],
    ['float64', { pick: '$.t' }, '{"t":null}', [null, 'bad', 'sensor-fault']],
    ['float64', { pick: '$.t' }, '{"t":{}}', [null, 'bad', 'decode-error']],
    ['float64', { pick: '$.t' }, '{"t":', [null, 'bad', 'decode-error']],
    ['float64', { pick: '$.s[1].v' }, '{"s":[{"v":1},{"v":2}]}', [2, 'good']],
    ['int64', { pick: '$.n' }, '{"n":9007199254740993}', [9007199254740993n, 'good']],
    ['text', { pick: '$.o' }, '{"o":{"a":1}}', ['{"a":1}', 'good']],
  ])('reads %s %o from %j', async (as, more, payload, expected) => {
    const { link, last } = await running(point({ topic: 't', as, ...more }));
    link.say('t', payload);
    expect(last(0)).toEqual(expected);
  });

  it('does not decode what is no UTF-8 or larger than 64 KiB', async () => {
    const { link, last, seen } = await running(point({ topic: 't', as: 'text' }));
    link.say('t', Uint8Array.of(0xff, 0xfe));
    expect(last(0)).toEqual([null, 'bad', 'decode-error']);
    link.say('t', 'fine');
    link.say('t', 'x'.repeat(64 * 1024 + 1));
    expect(last(0)).toEqual([null, 'bad', 'decode-error']);
    expect(seen.samples).toHaveLength(3);
  });

  it('takes a document without the picked part as being about something else, and says so once', async () => {
    const { link, seen } = await running(point({ topic: 't', pick: '$.temperature', as: 'float64' }));
    link.say('t', '{"battery":80}');
    link.say('t', '{"battery":79}');
    expect(seen.samples).toEqual([]);
    expect(seen.logger.lines.map((line) => line.level)).toEqual(['warn']);
    link.say('t', '{"temperature":20}');
    expect(seen.samples).toHaveLength(1);
  });

  it.each(['online', 'Online', '"ONLINE"', '{"state":"online"}'])('takes %j for online', async (payload) => {
    const { link, seen } = await running(
      device({
        id: 'd',
        connect: { broker: 'local', availability: 'lwt' },
        points: { p: { topic: 't', as: 'bool' } },
      }),
    );
    link.listener?.(true);
    expect(seen.states).toEqual([]);
    link.say('lwt', payload);
    expect(seen.history(device(HALL_D).spec.id)).toEqual(['up']);
  });

  it('keeps quiet about values of a device that is announced offline', async () => {
    const { link, seen, last } = await running(device(HALL_D));
    link.listener?.(true);
    link.say('lwt', 'offline');
    link.say('t', '1');
    link.say('lwt', 'offline');
    expect(last(0)).toEqual([null, 'bad', 'disconnected']);
    link.say('lwt', 'online');
    link.say('t', '1');
    expect(last(0)).toEqual([true, 'good']);
    expect(seen.samples).toHaveLength(2);
  });

  it('counts a device as away that does not announce itself in time, until it does', async () => {
    const { link, seen, clock, last } = await running(device(HALL_D));
    link.listener?.(true);
    await clock.advance(2_999);
    expect(seen.states).toEqual([]);
    await clock.advance(1);
    expect(seen.states[0]?.state).toEqual({ online: false, why: 'nothing was announced on "lwt"' });
    expect(last(0)).toEqual([null, 'bad', 'disconnected']);
    link.say('lwt', 'online');
    expect(seen.history(device(HALL_D).spec.id)).toEqual(['down', 'up']);
  });

  it('counts every device as away when the broker does not answer in time', async () => {
    const { seen, clock } = await running(device(HALL_D));
    await clock.advance(3_000);
    expect(seen.states[0]?.state).toEqual({ online: false, why: 'the broker cannot be reached' });
  });

  it('keeps samples apart when taking them makes another message come in at once', async () => {
    const link = new HandLink();
    const seen: unknown[] = [];
    const devices = [
      device({ id: 'a', connect: { broker: 'local' }, points: { p: { topic: 'a', as: 'int64' } } }),
      device({ id: 'b', connect: { broker: 'local' }, points: { p: { topic: 'b', as: 'int64' } } }, 1),
    ];
    const sink = (batch: SampleBatch) => {
      if (batch.point[0] === 0) link.say('b', '2');
      for (let row = 0; row < batch.length; row++) seen.push([batch.point[row], batch.valueAt(row)]);
    };
    const driver = mqttDriver.create(devices, new Recorder().deps({ localBroker: link, sink }));
    await driver.start();
    link.say('a', '1');
    link.say('a', '3');
    expect(seen).toEqual([
      [1, 2n],
      [0, 1n],
      [1, 2n],
      [0, 3n],
    ]);
    await driver.stop();
  });

  it('publishes a command as JSON', async () => {
    const { link, driver } = await running(
      device({
        id: 'd',
        connect: { broker: 'local', base: 'hall' },
        points: {
          level: { topic: '~/l', as: 'float64', scale: 0.1, command: { topic: '~/l/set' }, write: {} },
          relay: { topic: '~/r', as: 'bool', command: { topic: '~/r/set' }, write: {} },
          fan: { topic: '~/f', as: 'bool', command: { topic: '~/f/set', on: 'START' }, write: {} },
          count: { topic: '~/c', as: 'int64', command: { topic: '~/c/set' }, write: {} },
          mode: { topic: '~/m', as: 'text', command: { topic: '~/m/set' }, write: {} },
        },
      }),
    );
    link.listener?.(true);
    const write = (name: string, value: Value) =>
      driver.write(device(HALL_D).spec.id, id(name), value, { signal: new AbortController().signal });
    await write('level', 21.5);
    await write('relay', true);
    await write('fan', true);
    await write('fan', false);
    await write('count', 9007199254740993n);
    await write('mode', 'auto');
    expect(link.sent).toEqual([
      'hall/l/set=215',
      'hall/r/set=true',
      'hall/f/set=START',
      'hall/f/set=false',
      'hall/c/set=9007199254740993',
      'hall/m/set=auto',
    ]);
    for (const [name, value] of [
      ['level', Number.NaN],
      ['relay', 2],
      ['count', 1.5],
      ['mode', 1],
    ] as const) {
      await expect(write(name, value)).rejects.toMatchObject({ code: 'VALUE_INVALID' });
    }
  });

  it.each([
    [{ topic: '~/x', as: 'bool' }, 'TOPIC_BASE_MISSING'],
    [{ topic: 't', pick: '$.[', as: 'bool' }, 'JSONPATH_INVALID'],
  ])('refuses %o before it starts', (spec, code) => {
    const deps = new Recorder().deps({ localBroker: new HandLink() });
    expect(() => mqttDriver.create([point(spec)], deps)).toThrow(expect.objectContaining({ code }));
  });

  it("says that the gateway's own broker is missing", () => {
    const create = () => mqttDriver.create([point({ topic: 't', as: 'bool' })], new Recorder().deps());
    expect(create).toThrow(expect.objectContaining({ code: 'NO_LOCAL_BROKER' }));
  });
});

const HALL_D = {
  id: 'd',
  connect: { broker: 'local', availability: 'lwt' },
  points: { p: { topic: 't', as: 'bool' } },
};
