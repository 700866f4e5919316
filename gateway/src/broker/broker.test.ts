import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { connect as connectTcp, createServer, type Socket } from 'node:net';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { BrokerFixture } from './broker.fixture.ts';

const run = promisify(execFile);
const MOSQUITTO = '/usr/bin/mosquitto_pub';

let fixture: BrokerFixture;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await fixture.dispose();
});

/** A bare connection, and whether the broker has ended it. */
function bareSocket(): { readonly socket: Socket; ended(): boolean } {
  const socket = connectTcp(fixture.port, '127.0.0.1');
  let ended = false;
  socket.on('error', () => undefined);
  socket.on('close', () => {
    ended = true;
  });
  sockets.push(socket);
  return { socket, ended: () => ended };
}

describe('the broker and its credentials', () => {
  it('lets nobody in without one, and says so once per client however often it tries', async () => {
    fixture = await BrokerFixture.started();
    const { password } = await fixture.credentials.add({ username: 'hall-th' });
    await expect(fixture.connect()).rejects.toMatchObject({ code: 5 });
    for (let turn = 0; turn < 5; turn++) {
      await expect(
        fixture.connect({ username: 'hall-th', password: 'wrong-password' }),
      ).rejects.toMatchObject({
        code: 4,
      });
    }
    await expect(fixture.connect({ username: 'nobody', password })).rejects.toMatchObject({ code: 4 });
    expect(fixture.offences()).toEqual(['BAD_CREDENTIAL']);
    expect(fixture.broker.stats().offences.get('BAD_CREDENTIAL')).toBe(7);
    expect(JSON.stringify(fixture.logger.lines)).not.toContain('wrong-password');
    const client = await fixture.connect({ username: 'hall-th', password });
    await client.mqtt.publishAsync('hall-th/state', '1', { qos: 1 });
  });

  it('keeps each device to its topics: a denied message disconnects, a denied subscription is answered 0x80', async () => {
    fixture = await BrokerFixture.started();
    const sensor = await fixture.connectAs('sensor', { publish: ['%u/#'], subscribe: ['%u/cmd/+'] });
    const other = await fixture.connectAs('other', { publish: ['sensor/cmd/x'], subscribe: ['sensor/#'] });
    await other.mqtt.subscribeAsync('sensor/#', { qos: 1 });
    await sensor.mqtt.publishAsync('sensor/temp', '21', { qos: 1 });
    await vi.waitFor(() => expect(other.received).toEqual(['sensor/temp=21']));
    for (const filter of ['other/#', '#', 'sensor/#', 'sensor/cmd/#', '$SYS/#', '+/cmd/x']) {
      await expect(sensor.mqtt.subscribeAsync(filter), filter).rejects.toThrow(
        /Unspecified error|Not authorized/i,
      );
    }
    await sensor.mqtt.subscribeAsync('sensor/cmd/+');
    await other.mqtt.publishAsync('sensor/cmd/x', 'go', { qos: 1 });
    await vi.waitFor(() => expect(sensor.received).toEqual(['sensor/cmd/x=go']));
    sensor.mqtt.publish('other/temp', '21');
    await vi.waitFor(() => expect(sensor.closed).toBe(true));
    expect(other.closed).toBe(false);
    expect(other.received).toEqual(['sensor/temp=21', 'sensor/cmd/x=go']);
    expect(fixture.offences()).toEqual(['SUBSCRIBE_DENIED', 'PUBLISH_DENIED']);
  });

  it('disconnects a device when its credential is removed while the broker runs', async () => {
    fixture = await BrokerFixture.started();
    const [kept, removed] = [await fixture.connectAs('kept'), await fixture.connectAs('removed')];
    const { BrokerCredentials } = await import('./credentials.ts');
    const elsewhere = new BrokerCredentials(
      { clock: { wallMs: () => 0 } },
      { path: `${fixture.folder}/broker-credentials.json` },
    );
    await elsewhere.remove('removed');
    await vi.waitFor(() => expect(removed.closed).toBe(true), 10_000);
    expect(kept.closed).toBe(false);
    expect(fixture.broker.stats().clients).toBe(1);
  });

  it("refuses a client identifier that is another user's, connected or remembered", async () => {
    fixture = await BrokerFixture.started();
    const victim = await fixture.connectAs('victim', {}, { clientId: 'one', clean: false });
    await victim.mqtt.subscribeAsync('victim/#', { qos: 1 });
    const { password } = await fixture.credentials.add({ username: 'thief' });
    const steal = () => fixture.connect({ username: 'thief', password, clientId: 'one', clean: false });
    await expect(steal()).rejects.toMatchObject({ code: 2 });
    expect(victim.closed).toBe(false);
    await victim.mqtt.endAsync();
    await vi.waitFor(() => expect(fixture.broker.stats().clients).toBe(0));
    await expect(steal()).rejects.toMatchObject({ code: 2 });
    expect(fixture.offences()).toEqual(['CLIENT_ID_TAKEN']);
  });

  it('queues nothing for an absent client that it was not granted', async () => {
    fixture = await BrokerFixture.started();
    const { password } = await fixture.credentials.add({ username: 'sly', subscribe: ['sly/#'] });
    const sly = { username: 'sly', password, clientId: 'sly', clean: false };
    const first = await fixture.connect(sly);
    first.mqtt.subscribe({ 'sly/ok': { qos: 1 }, 'secret/#': { qos: 1 } });
    await vi.waitFor(() => expect(fixture.broker.stats().sessions).toBe(1));
    await first.mqtt.endAsync();
    const publisher = await fixture.connectAs('publisher', { publish: ['#'] });
    await publisher.mqtt.publishAsync('secret/plan', 'x', { qos: 1 });
    await publisher.mqtt.publishAsync('sly/ok', 'while away', { qos: 1 });
    const again = await fixture.connect(sly);
    await vi.waitFor(() => expect(again.received).toEqual(['sly/ok=while away']));
  });

  it('refuses a last will its client may not publish, and publishes one it may', async () => {
    fixture = await BrokerFixture.started();
    const watcher = await fixture.connectAs('watcher', { subscribe: ['#'] });
    await watcher.mqtt.subscribeAsync('#', { qos: 1 });
    const will = (topic: string) => ({
      will: { topic, payload: Buffer.from('gone'), qos: 1 as const, retain: true },
    });
    await expect(fixture.connectAs('a', {}, will('b/state'))).rejects.toMatchObject({ code: 5 });
    const client = await fixture.connectAs('c', {}, will('c/state'));
    client.mqtt.stream.destroy();
    await vi.waitFor(() => expect(watcher.received).toEqual(['c/state=gone']));
    expect(fixture.broker.stats().retained).toBe(1);
  });
});

describe('the broker in development', () => {
  it('lets anyone on this machine in and says exactly that', async () => {
    fixture = await BrokerFixture.started({ dev: true });
    const client = await fixture.connect();
    await client.mqtt.subscribeAsync('#');
    await client.mqtt.subscribeAsync('$SYS/broker/#');
    await expect(client.mqtt.subscribeAsync('$SYS/#')).rejects.toThrow();
    expect(fixture.broker.describeOpen()).toBe(
      `MQTT on 127.0.0.1:${fixture.port} is open to every program on this machine without a password, on all topics (--dev).`,
    );
    expect(fixture.logger.lines[0]).toMatchObject({ level: 'info', message: fixture.broker.describeOpen() });
  });

  it('does not start on an address others can reach', async () => {
    fixture = new BrokerFixture();
    const { MqttBroker } = await import('./broker.ts');
    const { BrokerConfig } = await import('./config.ts');
    const { systemClock } = await import('@millwright/protocol/node');
    const broker = new MqttBroker(
      { clock: systemClock, logger: fixture.logger, credentials: fixture.credentials, file: fixture.file },
      {
        ...BrokerConfig.parse({ host: '0.0.0.0', port: 0 }),
        ...{ dev: true, stateDir: fixture.folder, version: '0.0.0' },
      },
    );
    await expect(broker.start()).rejects.toMatchObject({ code: 'DEV_NOT_LOOPBACK' });
    await broker.stop();
  });
});

describe('the broker and its limits', () => {
  it('names the port that is in use and how to change it', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const address = other.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    fixture = new BrokerFixture({ port });
    await expect(fixture.broker.start()).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      message: `MQTT broker: 127.0.0.1:${port} is in use by another program`,
      hint: expect.stringContaining('broker.port'),
    });
    await new Promise((resolve) => other.close(resolve));
    await fixture.broker.start();
    expect(fixture.port).toBe(port);
  });

  it('disconnects a client whose payload is too large, announced or sent, and serves the others', async () => {
    fixture = await BrokerFixture.started({ dev: true, limits: { payloadBytes: 1000 } });
    const other = await fixture.connect();
    await other.mqtt.subscribeAsync('#');
    const slightly = await fixture.connect();
    slightly.mqtt.publish('a', 'x'.repeat(1500));
    await vi.waitFor(() => expect(slightly.closed).toBe(true));
    const { socket, ended } = bareSocket();
    socket.write(Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]));
    await vi.waitFor(() => expect(ended()).toBe(true));
    const fine = await fixture.connect();
    await fine.mqtt.publishAsync('a', 'x'.repeat(1000), { qos: 1 });
    await vi.waitFor(() => expect(other.received).toHaveLength(1));
    expect(other.closed).toBe(false);
    expect(fixture.offences()).toEqual(['PAYLOAD_TOO_LARGE']);
    expect(fixture.broker.stats().offences.get('PAYLOAD_TOO_LARGE')).toBe(2);
  });

  it('disconnects what does not speak MQTT, or MQTT 5, and serves the others', async () => {
    fixture = await BrokerFixture.started({ dev: true });
    const other = await fixture.connect();
    for (const bytes of ['GET / HTTP/1.1\r\nHost: x\r\n\r\n', '\0\0\0\0', '\x10\x02ab', '\xc0\0']) {
      const { socket, ended } = bareSocket();
      socket.write(Buffer.from(bytes, 'latin1'));
      await vi.waitFor(() => expect(ended(), JSON.stringify(bytes)).toBe(true));
    }
    await expect(fixture.connect({ protocolVersion: 5 })).rejects.toThrow();
    expect(other.mqtt.connected).toBe(true);
    await vi.waitFor(() => expect(fixture.offences()).toEqual(['MALFORMED', 'UNSUPPORTED_VERSION']));
  });

  it('survives ten thousand mutated packets and serves the others', { timeout: 60_000 }, async () => {
    fixture = await BrokerFixture.started({
      dev: true,
      limits: { connectBurst: 100_000, connections: 5000, payloadBytes: 1000 },
    });
    const other = await fixture.connect();
    await other.mqtt.subscribeAsync('probe');
    const hello = Buffer.from('\x10\x10\0\x04MQTT\x04\x02\0\x3c\0\x04fuzz', 'latin1');
    const packets = [
      hello,
      Buffer.from('\x32\x0a\0\x03a/b\0\x01xyz', 'latin1'),
      Buffer.from('\x82\x0c\0\x02\0\x03a/+\x01\0\x01#\x02', 'latin1'),
      Buffer.from('\x34\x07\0\x01a\0\x05xy', 'latin1'),
      Buffer.from('\xa2\x07\0\x03\0\x03a/+', 'latin1'),
      Buffer.from('\x62\x02\0\x05', 'latin1'),
      Buffer.from('\xc0\0', 'latin1'),
    ];
    let seed = 42;
    const random = (below: number) => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return (seed >>> 8) % below;
    };
    for (let round = 0; round < 100; round++) {
      const open: Promise<void>[] = [];
      for (let connection = 0; connection < 20; connection++) {
        const { socket } = bareSocket();
        const sent = [hello];
        for (let no = 0; no < 5; no++) {
          const packet = Buffer.from(packets[random(packets.length)] ?? hello);
          packet[random(packet.length)] = random(256);
          sent.push(packet.subarray(0, random(20) === 0 ? random(packet.length) : packet.length));
        }
        socket.end(Buffer.concat(random(4) === 0 ? sent.slice(1) : sent));
        open.push(new Promise((resolve) => socket.once('close', () => resolve())));
        socket.resume();
      }
      await Promise.all(open);
      sockets.length = 0;
    }
    await other.mqtt.publishAsync('probe', 'alive', { qos: 1 });
    await vi.waitFor(() => expect(other.received).toContain('probe=alive'));
    await vi.waitFor(() => expect(fixture.broker.stats().connections).toBe(1));
  });

  it('grants as many subscriptions as allowed and gives a place back when one ends', async () => {
    fixture = await BrokerFixture.started({ dev: true, limits: { subscriptionsPerClient: 2 } });
    const client = await fixture.connect();
    await client.mqtt.subscribeAsync(['a', 'b']);
    await expect(client.mqtt.subscribeAsync('c')).rejects.toThrow();
    await client.mqtt.subscribeAsync('a', { qos: 1 });
    await client.mqtt.unsubscribeAsync('a');
    await client.mqtt.subscribeAsync('c');
    expect(fixture.offences()).toEqual(['SUBSCRIPTIONS_FULL']);
  });

  it('refuses connections beyond the limit and admits one when another leaves', async () => {
    fixture = await BrokerFixture.started({ dev: true, limits: { connections: 2 } });
    const [first] = [await fixture.connect(), await fixture.connect()];
    await expect(fixture.connect()).rejects.toThrow();
    await first?.mqtt.endAsync();
    await vi.waitFor(() => fixture.connect({ connectTimeout: 500 }));
    expect(fixture.offences()).toEqual(['CONNECTIONS_FULL']);
  });

  it('a storm of connections is cut off while those who are connected are served', async () => {
    fixture = await BrokerFixture.started({ dev: true, limits: { connectBurst: 20, connectsPerSecond: 1 } });
    const [a, b] = [await fixture.connect(), await fixture.connect()];
    await a.mqtt.subscribeAsync('x');
    const storm = Array.from({ length: 300 }, () => bareSocket());
    await vi.waitFor(() => expect(storm.filter(({ ended }) => ended()).length).toBeGreaterThan(270));
    await b.mqtt.publishAsync('x', '1', { qos: 1 });
    await vi.waitFor(() => expect(a.received).toEqual(['x=1']));
    expect(fixture.offences()).toEqual(['CONNECT_RATE']);
  });

  it('slows a flooding client down, in order and without loss, and serves the others meanwhile', async () => {
    fixture = await BrokerFixture.started({ dev: true, limits: { publishesPerSecond: 500 } });
    const [flood, calm, watcher] = [
      await fixture.connect(),
      await fixture.connect(),
      await fixture.connect(),
    ];
    await watcher.mqtt.subscribeAsync('#', { qos: 1 });
    const all: Promise<unknown>[] = [];
    for (let no = 0; no < 1500; no++) all.push(flood.mqtt.publishAsync('f', String(no), { qos: 1 }));
    await calm.mqtt.publishAsync('c', 'calm', { qos: 1 });
    await vi.waitFor(() => expect(watcher.received).toContain('c=calm'));
    const behind = watcher.received.length;
    await Promise.all(all);
    await vi.waitFor(() => expect(watcher.received).toHaveLength(1501), 10_000);
    expect(behind).toBeLessThan(1501);
    expect(watcher.received.filter((line) => line.startsWith('f'))).toEqual(
      Array.from({ length: 1500 }, (_, no) => `f=${no}`),
    );
  });

  it('bounds retained messages, and the queue of a client that is away', async () => {
    fixture = await BrokerFixture.started({
      dev: true,
      limits: { retainedMessages: 2, queuedMessagesPerSession: 3, sessions: 1 },
    });
    const away = { clientId: 'away', clean: false };
    const first = await fixture.connect(away);
    await first.mqtt.subscribeAsync('q', { qos: 1 });
    await first.mqtt.endAsync();
    const client = await fixture.connect();
    for (let no = 0; no < 5; no++) await client.mqtt.publishAsync('q', String(no), { qos: 1 });
    await vi.waitFor(() => expect(fixture.broker.stats().dropped).toBe(2));
    const back = await fixture.connect(away);
    await vi.waitFor(() => expect(back.received).toEqual(['q=0', 'q=1', 'q=2']));
    await back.mqtt.endAsync();
    const next = await fixture.connect({ clientId: 'next', clean: false });
    await next.mqtt.subscribeAsync('q', { qos: 1 });
    expect(fixture.broker.stats().sessions).toBe(1);
    for (const topic of ['r/1', 'r/2', 'r/1'])
      await client.mqtt.publishAsync(topic, 'x', { qos: 1, retain: true });
    client.mqtt.publish('r/3', 'x', { qos: 1, retain: true });
    await vi.waitFor(() => expect(client.closed).toBe(true));
    expect(fixture.offences()).toEqual(['RETAINED_FULL']);
    expect(fixture.broker.stats().retained).toBe(2);
  });
});

describe('the broker and peers that are not ours', () => {
  it.skipIf(!existsSync(MOSQUITTO))(
    'mosquitto_pub and mosquitto_sub exchange retained and QoS 2 messages through it (skipped: apt-get install mosquitto-clients)',
    async () => {
      fixture = await BrokerFixture.started();
      const { password } = await fixture.credentials.add({ username: 'mosquitto' });
      const login = ['-h', '127.0.0.1', '-p', String(fixture.port), '-u', 'mosquitto', '-P', password];
      await run('mosquitto_pub', [...login, '-t', 'mosquitto/kept', '-m', 'hello', '-r', '-q', '2']);
      const { stdout } = await run('mosquitto_sub', [
        ...login,
        '-t',
        'mosquitto/#',
        '-v',
        '-C',
        '1',
        '-W',
        '5',
        '-q',
        '2',
      ]);
      expect(stdout).toBe('mosquitto/kept hello\n');
      const wrong = run('mosquitto_pub', [
        ...login.slice(0, -1),
        'wrong-password',
        '-t',
        'mosquitto/x',
        '-m',
        '1',
      ]);
      await expect(wrong).rejects.toMatchObject({
        stderr: expect.stringContaining('bad user name or password'),
      });
    },
  );
});
