import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { connect, type IClientOptions } from 'mqtt';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { BrokerFixture, TestClient } from './broker.fixture.ts';

const MOSQUITTO = '/usr/bin/mosquitto_pub';
const patience = { timeout: 30_000, interval: 20 };

let fixture: BrokerFixture;
const open: { end(): void }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) each.end();
  await fixture.dispose();
});

const loopback = { host: '127.0.0.1', port: 0 };
const authority = () => readFileSync(join(fixture.folder, 'broker-ca.pem'));
const tlsPort = () => Number(fixture.broker.addresses.mqtts?.split(':').at(-1));

async function client(url: string, options: IClientOptions = {}): Promise<TestClient> {
  const mqtt = connect(url, { protocolVersion: 4, reconnectPeriod: 0, connectTimeout: 20_000, ...options });
  open.push({ end: () => mqtt.end(true) });
  await new Promise<void>((resolve, reject) => {
    mqtt.once('connect', () => resolve());
    mqtt.once('error', reject);
    mqtt.once('close', () => reject(new Error('closed before it was connected')));
  });
  return new TestClient(mqtt);
}

/** @returns the key agreement, or why there was none */
function handshake(options: { readonly curves?: string; readonly version?: 'TLSv1.2' }): Promise<string> {
  return new Promise((resolve) => {
    const socket: TLSSocket = connectTls(
      {
        ...{ host: '127.0.0.1', port: tlsPort(), ca: authority() },
        ...(options.curves === undefined ? {} : { ecdhCurve: options.curves }),
        ...(options.version === undefined ? {} : { maxVersion: options.version }),
      },
      () => {
        // A server refuses a TLS 1.3 client after the client thinks that all is well.
        socket.write(Buffer.from([0x10, 0x0c, 0, 4, 77, 81, 84, 84, 4, 2, 0, 60, 0, 0]));
        socket.once('data', () => resolve(`connected with ${socket.getCipher().version}`));
      },
    );
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.on('close', () => resolve('closed'));
    open.push({ end: () => socket.destroy() });
  });
}

describe('the broker over TLS', () => {
  it('has a certificate of its own authority, which stays the same over a restart', async () => {
    fixture = await BrokerFixture.started({ dev: true, listeners: { tls: loopback } });
    const before = authority();
    const one = await client(`mqtts://127.0.0.1:${tlsPort()}`, { ca: before });
    await one.mqtt.subscribeAsync('a');
    await one.mqtt.publishAsync('a', '1', { qos: 1 });
    await vi.waitFor(() => expect(one.received).toEqual(['a=1']), patience);
    await fixture.broker.stop();
    await fixture.broker.start();
    expect(authority().equals(before)).toBe(true);
    await client(`mqtts://localhost:${tlsPort()}`, { ca: before });
    await expect(client(`mqtts://127.0.0.1:${tlsPort()}`)).rejects.toThrow(/self-signed|unable to/i);
  });

  it('refuses a client that can do classical key agreement only, and says so once', async () => {
    fixture = await BrokerFixture.started({ dev: true, listeners: { tls: loopback } });
    expect(await handshake({})).toBe('connected with TLSv1.3');
    expect(await handshake({ curves: 'X25519MLKEM768' })).toBe('connected with TLSv1.3');
    for (const refused of [
      { curves: 'X25519' },
      { curves: 'P-256:X25519' },
      { version: 'TLSv1.2' as const },
    ]) {
      expect(await handshake(refused)).not.toContain('connected');
    }
    await vi.waitFor(() => expect(fixture.broker.stats().offences.get('TLS_GROUP')).toBe(3), patience);
    expect(fixture.offences()).toEqual(['TLS_GROUP']);
    expect(fixture.broker.stats().offences.get('TLS_FAILED')).toBeUndefined();
  });

  it('refuses openssl when it offers X25519 alone', { timeout: 60_000 }, async () => {
    fixture = await BrokerFixture.started({ dev: true, listeners: { tls: loopback } });
    const args = ['s_client', '-connect', `127.0.0.1:${tlsPort()}`, '-groups', 'X25519'];
    const said = await new Promise<string>((resolve) => {
      const child = execFile('openssl', args, (_error, stdout, stderr) => resolve(stdout + stderr));
      child.stdin?.end();
    });
    expect(said).toMatch(/handshake failure|alert/);
    await vi.waitFor(() => expect(fixture.offences()).toEqual(['TLS_GROUP']), patience);
  });

  it('serves devices that cannot do better where it is told to, and warns about it', async () => {
    const tls = { ...loopback, groups: ['X25519MLKEM768', 'X25519'] };
    fixture = await BrokerFixture.started({ dev: true, listeners: { tls } });
    expect(await handshake({ curves: 'X25519' })).toBe('connected with TLSv1.3');
    const warned = fixture.logger.lines.filter(({ level }) => level === 'warn').map(({ message }) => message);
    expect(warned).toEqual([expect.stringContaining('also accepts X25519')]);
  });

  it.skipIf(!existsSync(MOSQUITTO))(
    'takes mosquitto_pub, whose OpenSSL is classical, only then (skipped: apt-get install mosquitto-clients)',
    async () => {
      const tls = { ...loopback, groups: ['X25519MLKEM768', 'X25519'] };
      fixture = await BrokerFixture.started({ listeners: { tls } });
      const { password } = await fixture.credentials.add({ username: 'old' });
      const args = [
        '-h',
        'localhost',
        '-p',
        String(tlsPort()),
        '--cafile',
        join(fixture.folder, 'broker-ca.pem'),
      ];
      const message = ['-u', 'old', '-P', password, '-t', 'old/x', '-m', '1', '-q', '1', '-r'];
      await new Promise<void>((resolve, reject) =>
        execFile(MOSQUITTO, [...args, ...message], (error) => (error === null ? resolve() : reject(error))),
      );
      expect(fixture.broker.stats().retained).toBe(1);
    },
  );

  it('names the files it cannot use', async () => {
    const tls = { ...loopback, cert: '/nowhere/cert.pem', key: '/nowhere/key.pem' };
    fixture = new BrokerFixture({ dev: true, listeners: { tls } });
    await expect(fixture.broker.start()).rejects.toMatchObject({
      code: 'TLS_FILES',
      message: expect.stringContaining('/nowhere/cert.pem'),
    });
  });

  it('needs no listener without encryption', async () => {
    fixture = await BrokerFixture.started({ dev: true, listeners: { plain: false, tls: loopback } });
    expect(fixture.broker.addresses).toEqual({ mqtts: expect.stringMatching(/^127\.0\.0\.1:\d+$/) });
    expect(await handshake({})).toBe('connected with TLSv1.3');
  });
});

describe('the broker over WebSocket', () => {
  const url = () => fixture.broker.addresses.websocket ?? '';

  /** @returns the HTTP status of a refusal */
  function refusal(target: string, options: { origin?: string; protocol?: string } = {}): Promise<number> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(target, options.protocol ?? 'mqtt', {
        ...(options.origin === undefined ? {} : { origin: options.origin }),
      });
      socket.on('unexpected-response', (_request, response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      socket.on('open', () => {
        socket.terminate();
        resolve(101);
      });
      socket.on('error', reject);
    });
  }

  it('asks for the same credentials and keeps clients to the same topics', async () => {
    fixture = await BrokerFixture.started({ listeners: { websocket: loopback } });
    const { password } = await fixture.credentials.add({ username: 'panel' });
    await expect(client(url())).rejects.toMatchObject({ code: 5 });
    const panel = await client(url(), { username: 'panel', password });
    const device = await fixture.connect({ username: 'panel', password });
    await panel.mqtt.subscribeAsync('panel/#');
    await device.mqtt.publishAsync('panel/a', 'x'.repeat(60_000), { qos: 1 });
    await vi.waitFor(() => expect(panel.received.map((line) => line.length)).toEqual([60_008]), patience);
    panel.mqtt.publish('other/a', '1');
    await vi.waitFor(() => expect(panel.closed).toBe(true), patience);
    expect(fixture.offences()).toEqual(['BAD_CREDENTIAL', 'PUBLISH_DENIED']);
  });

  it('refuses web pages it was not told of, other paths and other protocols', async () => {
    const websocket = { ...loopback, origins: ['https://panel.example'] };
    fixture = await BrokerFixture.started({ dev: true, listeners: { websocket } });
    expect(await refusal(url(), { origin: 'https://evil.example' })).toBe(403);
    expect(await refusal(url(), { origin: 'https://panel.example' })).toBe(101);
    expect(await refusal(url().replace('/mqtt', '/other'))).toBe(404);
    expect(await refusal(url(), { protocol: 'chat' })).toBe(400);
    expect((await fetch(url().replace('ws:', 'http:'))).status).toBe(426);
    expect(fixture.offences()).toEqual(['ORIGIN_DENIED']);
  });

  it('is encrypted with the certificate of TLS where it is told to', async () => {
    const listeners = { plain: false, tls: loopback, websocket: { ...loopback, tls: true } };
    fixture = await BrokerFixture.started({ dev: true, listeners });
    expect(url()).toMatch(/^wss:/);
    const one = await client(url(), { ca: authority() });
    await one.mqtt.publishAsync('a', '1', { qos: 1 });
  });

  it('ends a connection that sends no MQTT, or too much of it, and serves the others', async () => {
    fixture = await BrokerFixture.started({
      dev: true,
      listeners: { websocket: loopback },
      limits: { payloadBytes: 1000 },
    });
    const other = await client(url());
    for (const bytes of [
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      Buffer.from([0x30, 0xff, 0xff, 0x7f]),
      Buffer.alloc(3_000_000),
    ]) {
      const socket = new WebSocket(url(), 'mqtt');
      const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()));
      socket.on('error', () => undefined);
      socket.once('open', () => socket.send(bytes));
      await ended;
    }
    await other.mqtt.publishAsync('a', '1', { qos: 1 });
    await vi.waitFor(() => expect(fixture.broker.stats().connections).toBe(1), patience);
  });
});
