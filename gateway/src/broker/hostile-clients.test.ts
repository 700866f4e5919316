import { connect as connectTcp, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BrokerFixture, type TestClient } from './broker.fixture.ts';

const patience = { timeout: 60_000, interval: 20 };

/** F8: whatever one client does, the others are served and the log says who it was and why, once. */
describe('the broker and a hostile client', { timeout: 120_000 }, () => {
  let fixture: BrokerFixture;
  let device: TestClient;
  let reader: TestClient;
  const sockets: Socket[] = [];

  const start = async (limits: ConstructorParameters<typeof BrokerFixture>[0]) => {
    fixture = await BrokerFixture.started(limits);
    device = await fixture.connectAs('device');
    reader = await fixture.connectAs('reader', { subscribe: ['device/#'] });
    await reader.mqtt.subscribeAsync('device/#', { qos: 1 });
  };
  beforeEach(() => {
    sockets.length = 0;
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    await fixture.dispose();
  });

  /** A message makes its way while the attack goes on. */
  const othersAreServed = async (what: string) => {
    await device.mqtt.publishAsync('device/value', what, { qos: 1 });
    await vi.waitFor(() => expect(reader.received).toContain(`device/value=${what}`), patience);
  };
  const offences = (code: string) => fixture.broker.stats().offences.get(code) ?? 0;
  const loggedAbout = (client: string) =>
    fixture.logger.lines.filter(({ level, fields }) => level === 'warn' && fields.client === client);
  const bareSocket = () => {
    const socket = connectTcp(fixture.port, '127.0.0.1');
    socket.on('error', () => undefined);
    sockets.push(socket);
    return socket;
  };

  it('disconnects a flood that does not end, by messages or by bytes', async () => {
    await start({ limits: { publishesPerSecond: 200, bytesPerSecond: 100_000, floodSeconds: 2 } });
    for (const [who, payload] of [
      ['chatty', Buffer.alloc(1)],
      ['bulky', Buffer.alloc(50_000)],
    ] as const) {
      const flooder = await fixture.connectAs(who);
      const pump = () => {
        while (!flooder.closed && flooder.mqtt.stream.writableLength < 200_000) {
          flooder.mqtt.publish(`${who}/x`, payload);
        }
        if (!flooder.closed) setTimeout(pump, 5);
      };
      pump();
      await othersAreServed(who);
      await vi.waitFor(() => expect(flooder.closed).toBe(true), patience);
      expect(loggedAbout(who).map(({ fields }) => fields.code)).toEqual(['FLOOD']);
    }
    expect(offences('FLOOD')).toBe(2);
    await othersAreServed('after');
  });

  it('disconnects whoever leaves QoS 2 messages open without end', async () => {
    await start({ limits: { inflightPerClient: 10 } });
    const { password } = await fixture.credentials.add({ username: 'half' });
    const socket = bareSocket();
    socket.write(connectPacket('half', password));
    for (let id = 1; id <= 50; id++) {
      socket.write(Buffer.from([0x34, 11, 0, 6, ...Buffer.from('half/x'), id >> 8, id & 0xff, 120]));
    }
    const ended = new Promise((resolve) => socket.once('close', resolve));
    socket.resume();
    await ended;
    expect(loggedAbout('half').map(({ fields }) => fields.code)).toEqual(['INFLIGHT_FULL']);
    await othersAreServed('after');
  });

  it('does not let a subscriber that stops reading hold up anybody', async () => {
    await start({ limits: { sendBufferBytes: 100_000, publishesPerSecond: 100_000, bytesPerSecond: 1e9 } });
    const { password } = await fixture.credentials.add({ username: 'deaf', subscribe: ['device/#'] });
    const deaf = bareSocket();
    deaf.write(connectPacket('deaf', password));
    deaf.write(
      Buffer.concat([Buffer.from([0x82, 13, 0, 1, 0, 8]), Buffer.from('device/#'), Buffer.from([0])]),
    );
    await vi.waitFor(() => expect(fixture.broker.stats().clients).toBe(3), patience);
    deaf.pause();
    const payload = 'x'.repeat(20_000);
    for (let no = 0; no < 1000; no++) await device.mqtt.publishAsync('device/bulk', payload, { qos: 1 });
    await vi.waitFor(() => expect(reader.received).toHaveLength(1000), patience);
    expect(fixture.broker.stats().dropped).toBeGreaterThan(0);
    await othersAreServed('after');
  });

  it('disconnects a subscriber that stops reading what it must not miss', async () => {
    await start({ limits: { sendBufferBytes: 100_000, publishesPerSecond: 100_000, bytesPerSecond: 1e9 } });
    const { password } = await fixture.credentials.add({ username: 'deaf', subscribe: ['device/#'] });
    const deaf = bareSocket();
    deaf.write(connectPacket('deaf', password));
    deaf.write(
      Buffer.concat([Buffer.from([0x82, 13, 0, 1, 0, 8]), Buffer.from('device/#'), Buffer.from([1])]),
    );
    await vi.waitFor(() => expect(fixture.broker.stats().clients).toBe(3), patience);
    deaf.pause();
    const payload = 'x'.repeat(20_000);
    for (let no = 0; no < 1000 && offences('SLOW_READER') === 0; no++) {
      await device.mqtt.publishAsync('device/bulk', payload, { qos: 1 });
    }
    expect(loggedAbout('deaf').map(({ fields }) => fields.code)).toEqual(['SLOW_READER']);
    await vi.waitFor(() => expect(fixture.broker.stats().clients).toBe(2), patience);
    await othersAreServed('after');
  });

  it('disconnects forbidden and endless topics', async () => {
    await start({ limits: { topicBytes: 100, topicLevels: 5 } });
    for (const [who, topic] of [
      ['thief', 'device/value'],
      ['sys', '$SYS/broker/uptime'],
      ['long', `long/${'x'.repeat(200)}`],
      ['deep', 'deep/1/2/3/4/5'],
    ] as const) {
      const client = await fixture.connectAs(who);
      client.mqtt.publish(topic, '1');
      await vi.waitFor(() => expect(client.closed, topic).toBe(true), patience);
    }
    const client = await fixture.connectAs('asker', { subscribe: ['#'] });
    await expect(client.mqtt.subscribeAsync(`asker/${'x/'.repeat(10)}`)).rejects.toThrow();
    await expect(client.mqtt.subscribeAsync('$SYS/broker/uptime')).rejects.toThrow();
    expect(client.closed).toBe(false);
    expect(fixture.offences()).toEqual([
      ...['PUBLISH_DENIED', 'PUBLISH_DENIED', 'TOPIC_TOO_LONG', 'TOPIC_TOO_LONG'],
      ...['TOPIC_TOO_LONG', 'SUBSCRIBE_DENIED'],
    ]);
    await othersAreServed('after');
  });

  it('stands ten thousand connections while a device publishes', async () => {
    await start({ limits: { connectBurst: 1000, connectsPerSecond: 100, connections: 500 } });
    let ended = 0;
    for (let wave = 0; wave < 100; wave++) {
      const batch = Array.from({ length: 100 }, bareSocket);
      for (const socket of batch) socket.once('close', () => ended++);
      await Promise.all(
        batch.map(
          (socket) => new Promise((resolve) => socket.once('connect', resolve).once('close', resolve)),
        ),
      );
      if (wave % 20 === 0) await othersAreServed(`wave ${wave}`);
    }
    await vi.waitFor(() => expect(ended).toBeGreaterThanOrEqual(9500), patience);
    expect(fixture.broker.stats().connections).toBeLessThanOrEqual(500);
    expect(offences('CONNECT_RATE') + offences('CONNECTIONS_FULL')).toBeGreaterThanOrEqual(8500);
    expect(loggedAbout('127.0.0.1').length).toBeLessThanOrEqual(2);
    await othersAreServed('after');
  });

  it('bounds connections of all addresses together', async () => {
    await start({ limits: { connectBurstInAll: 10, connectsPerSecondInAll: 1 } });
    const storm = Array.from({ length: 50 }, bareSocket);
    let ended = 0;
    for (const socket of storm) socket.once('close', () => ended++);
    await vi.waitFor(() => expect(ended).toBeGreaterThanOrEqual(40), patience);
    await othersAreServed('after');
  });
});

describe('the broker about itself', () => {
  let fixture: BrokerFixture;
  afterEach(() => fixture.dispose());

  it('tells clients, messages, uptime and load to those who may read it', async () => {
    fixture = await BrokerFixture.started();
    const monitor = await fixture.connectAs('monitor', { subscribe: ['$SYS/broker/#'] });
    await monitor.mqtt.subscribeAsync('$SYS/broker/#');
    await vi.waitFor(() => {
      const topics = monitor.received.map((line) => line.slice('$SYS/broker/'.length).split('=')[0]);
      expect(topics).toEqual(
        expect.arrayContaining(['version', 'uptime', 'clients/connected', 'load/messages/received/1min']),
      );
    }, patience);
    const device = await fixture.connectAs('device', { subscribe: ['#'] });
    await device.mqtt.subscribeAsync('#');
    await expect(device.mqtt.subscribeAsync('$SYS/broker/#')).rejects.toThrow();
    await vi.waitFor(() => expect(monitor.received).toContain('$SYS/broker/clients/connected=2'), patience);
    expect(device.received).toEqual([]);
    expect(monitor.received.filter((line) => /new\/clients|heartbeat/.test(line))).toEqual([]);
    expect(fixture.broker.stats().retained).toBe(0);
  });
});

function connectPacket(username: string, password: string): Buffer {
  const text = (value: string) => Buffer.concat([Buffer.from([0, value.length]), Buffer.from(value)]);
  const body = Buffer.concat([
    ...[text('MQTT'), Buffer.from([4, 0xc2, 0, 60]), text(username), text(username), text(password)],
  ]);
  return Buffer.concat([Buffer.from([0x10, body.length]), body]);
}
