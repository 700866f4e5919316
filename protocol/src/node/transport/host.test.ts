import { once } from 'node:events';
import { createServer, connect as netConnect, type Socket } from 'node:net';
import tls from 'node:tls';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { tls as plainTls } from '@libp2p/tls';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { delay } from '../../clock.ts';
import { MemoryLogger } from '../../testing/memory-logger.ts';
import { temporaryIdentity } from '../identity.ts';
import { systemClock } from '../system-clock.ts';
import type { Channel } from './channel.ts';
import { createHost, type Host, type HostOptions } from './host.ts';

const ECHO = '/test/echo/1';
const Text = z.object({ text: z.string().max(100_000) });
const schemas = { receive: Text, send: Text };

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function startedHost(options: Partial<HostOptions> = {}): Promise<Host> {
  const host = createHost({
    identity: await temporaryIdentity(),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    clock: systemClock,
    logger: new MemoryLogger(),
    ...options,
  });
  host.serve(ECHO, schemas, async (channel) => {
    for await (const message of channel) await channel.send(message);
  });
  cleanups.push(() => host.stop());
  await host.start();
  return host;
}

function addressOf(host: Host): string {
  return host.addresses()[0] ?? 'the host does not listen';
}

async function startedPeer(encrypters: Parameters<typeof createLibp2p>[0]): Promise<{
  dial(address: string): Promise<unknown>;
}> {
  const node = await createLibp2p({ transports: [tcp()], streamMuxers: [yamux()], ...encrypters });
  cleanups.push(() => node.stop());
  return { dial: (address) => node.dial(multiaddr(address)) };
}

describe('two hosts', () => {
  test('talk over channels once they know each other’s keys', async () => {
    const region = await startedHost();
    const gateway = await startedHost({ listen: [] });
    const connection = await gateway.connect(addressOf(region), { peerId: region.peerId });
    expect(connection.peerId).toBe(region.peerId);
    expect(connection.publicKey).toEqual(region.publicKey);
    const channel = await connection.open(ECHO, schemas);
    const texts = ['', 'ä', 'x'.repeat(99_999)];
    for (const text of texts) await channel.send({ text });
    await channel.close();
    const back: string[] = [];
    for await (const message of channel) back.push(message.text);
    expect(back).toEqual(texts);
  });

  test('agree on keys with X25519MLKEM768 and nothing else', async () => {
    const region = await startedHost();
    const wire = await recordedTo(addressOf(region));
    const gateway = await startedHost({ listen: [] });
    const connection = await gateway.connect(wire.address, { peerId: region.peerId });
    await (await connection.open(ECHO, schemas)).close();
    // RFC 8446 §4.2.7: supported_groups is extension 10; 0x11EC is X25519MLKEM768.
    expect(wire.sent().toString('hex')).toContain('000a0004000211ec');
    // §4.2.8: the server's key_share names the chosen group and its 1120 bytes (ML-KEM ciphertext and X25519 key).
    expect(wire.received().toString('hex')).toContain('11ec0460');
  });

  test('refuse each other when the address turns out to be somebody else', async () => {
    const region = await startedHost();
    const other = await temporaryIdentity();
    const gateway = await startedHost({ listen: [] });
    const bare = addressOf(region).replace(/\/p2p\/.*/, '');
    await expect(gateway.connect(bare, { peerId: other.peerId })).rejects.toMatchObject({
      code: 'PEER_MISMATCH',
      retry: 'reauth',
    });
    await expect(gateway.connect(addressOf(region), { peerId: other.peerId })).rejects.toMatchObject({
      code: 'ADDRESS_INVALID',
    });
  });

  test('understand host:port and say what is wrong with an address', async () => {
    const region = await startedHost();
    const gateway = await startedHost({ listen: [] });
    const port = /tcp\/(\d+)/.exec(addressOf(region))?.[1];
    for (const name of ['127.0.0.1', 'localhost']) {
      const connection = await gateway.connect(`${name}:${port}`, { peerId: region.peerId });
      expect(connection.isOpen).toBe(true);
    }
    await expect(gateway.connect('not an address', { peerId: region.peerId })).rejects.toMatchObject({
      code: 'ADDRESS_INVALID',
      hint: expect.stringContaining('host:port'),
    });
  });

  test('notice a peer that has fallen silent', async () => {
    const region = await startedHost({ silenceMs: 400 });
    const wire = await recordedTo(addressOf(region));
    const gateway = await startedHost({ listen: [], silenceMs: 400, keepAliveMs: 100 });
    const inbound = new Promise<void>((resolve) =>
      region.onInbound((connection) => connection.onClose(resolve)),
    );
    const connection = await gateway.connect(wire.address, { peerId: region.peerId });
    const channel = await connection.open(ECHO, schemas);
    await delay(systemClock, 900);
    expect(connection.isOpen, 'a quiet link is kept alive').toBe(true);
    wire.swallow();
    await expect(channel.receive()).rejects.toMatchObject({ code: 'CHANNEL_CLOSED' });
    expect(connection.isOpen).toBe(false);
    await inbound;
  });

  test('notice at once when the other closes, after having heard what it said last', async () => {
    const region = await startedHost();
    const gateway = await startedHost({ listen: [] });
    const last: string[] = [];
    const closed = new Promise<void>((resolve) => region.onInbound((inbound) => inbound.onClose(resolve)));
    region.serve('/test/last/1', schemas, async (channel) => {
      for await (const { text } of channel) last.push(text);
      last.push('the end');
    });
    const connection = await gateway.connect(addressOf(region), { peerId: region.peerId });
    const channel = await connection.open('/test/last/1', schemas);
    await channel.send({ text: 'hello' });
    await expect.poll(() => last).toEqual(['hello']);
    await channel.send({ text: 'x'.repeat(50_000) });
    await channel.send({ text: 'bye' });
    await channel.end();
    await connection.close();
    await closed;
    await expect.poll(() => last.slice(-2)).toEqual(['bye', 'the end']);
  });

  test('say which port is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanups.push(() => server.close());
    const taken = server.address();
    const port = typeof taken === 'object' ? taken?.port : undefined;
    await expect(startedHost({ listen: [`/ip4/127.0.0.1/tcp/${port}`] })).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      message: expect.stringContaining(String(port)),
    });
  });

  test('may be stopped before they start, and twice', async () => {
    const host = createHost({
      identity: await temporaryIdentity(),
      listen: ['/ip4/127.0.0.1/tcp/0'],
      clock: systemClock,
      logger: new MemoryLogger(),
    });
    await host.stop();
    await host.start();
    await host.start();
    await host.stop();
    await host.stop();
    expect(host.addresses()).toEqual([]);
  });
});

describe('a foreign libp2p peer', () => {
  test('with unmodified TLS is understood, because Node offers the pinned group', async () => {
    const host = await startedHost();
    const peer = await startedPeer({ connectionEncrypters: [plainTls()] });
    await expect(peer.dial(addressOf(host))).resolves.toBeDefined();
  });

  test('with classical key agreement only is refused', async () => {
    const before = tls.DEFAULT_ECDH_CURVE;
    tls.DEFAULT_ECDH_CURVE = 'X25519';
    cleanups.push(() => {
      tls.DEFAULT_ECDH_CURVE = before;
    });
    const host = await startedHost();
    const peer = await startedPeer({ connectionEncrypters: [plainTls()] });
    await expect(peer.dial(addressOf(host))).rejects.toThrow();
    const pinned = await startedHost({ listen: [] });
    const connection = await pinned.connect(addressOf(host), { peerId: host.peerId });
    expect(connection.isOpen, 'the process-wide default does not reach the pinned sockets').toBe(true);
  });

  test('that is classical and listens is refused by the one that dials', async () => {
    const before = tls.DEFAULT_ECDH_CURVE;
    tls.DEFAULT_ECDH_CURVE = 'X25519';
    cleanups.push(() => {
      tls.DEFAULT_ECDH_CURVE = before;
    });
    const node = await createLibp2p({
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
      transports: [tcp()],
      streamMuxers: [yamux()],
      connectionEncrypters: [plainTls()],
    });
    cleanups.push(() => node.stop());
    const host = await startedHost({ listen: [] });
    await expect(
      host.connect(String(node.getMultiaddrs()[0]), { peerId: node.peerId.toString() }),
    ).rejects.toMatchObject({ code: 'PEER_UNREACHABLE', retry: 'backoff' });
  });

  test('that speaks Noise only is refused', async () => {
    const host = await startedHost();
    const peer = await startedPeer({ connectionEncrypters: [noise()] });
    await expect(peer.dial(addressOf(host))).rejects.toThrow();
  });
});

describe('a host', () => {
  test('survives garbage, silence and cuts in the middle of a handshake', async () => {
    const host = await startedHost();
    const port = Number(/tcp\/(\d+)/.exec(addressOf(host))?.[1]);
    for (const bytes of [
      'GET / HTTP/1.1\r\n\r\n',
      '\x13/multistream/1.0.0\n\x0b/tls/1.0.0\n\x16\x03\x01\xff\xff',
    ]) {
      const socket = netConnect(port, '127.0.0.1');
      socket.on('error', () => socket.destroy());
      await once(socket, 'connect');
      socket.write(Buffer.from(bytes, 'latin1'));
      await delay(systemClock, 50);
      socket.destroy();
    }
    const gateway = await startedHost({ listen: [] });
    const connection = await gateway.connect(addressOf(host), { peerId: host.peerId });
    const channel = await connection.open(ECHO, schemas);
    await channel.send({ text: 'still here' });
    expect(await channel.receive()).toEqual({ text: 'still here' });
  });
});

describe('a channel', () => {
  async function pair(): Promise<{ near: Channel<unknown, unknown>; far: Channel<unknown, unknown> }> {
    const anything = { receive: z.unknown(), send: z.unknown() };
    const accepted = Promise.withResolvers<Channel<unknown, unknown>>();
    const region = createHost({
      identity: await temporaryIdentity(),
      listen: ['/ip4/127.0.0.1/tcp/0'],
      clock: systemClock,
      logger: new MemoryLogger(),
    });
    region.serve('/test/any/1', anything, async (channel) => {
      accepted.resolve(channel);
      await once(channel.ended, 'abort');
    });
    cleanups.push(() => region.stop());
    await region.start();
    const gateway = await startedHost({ listen: [] });
    const connection = await gateway.connect(addressOf(region), { peerId: region.peerId });
    return { near: await connection.open('/test/any/1', anything), far: await accepted.promise };
  }

  test('refuses to send what the schema does not allow', async () => {
    const region = await startedHost();
    const gateway = await startedHost({ listen: [] });
    const connection = await gateway.connect(addressOf(region), { peerId: region.peerId });
    const channel = await connection.open(ECHO, schemas);
    const wrong: unknown = { text: 7 };
    // @ts-expect-error the point of the test
    await expect(channel.send(wrong)).rejects.toMatchObject({
      code: 'MESSAGE_INVALID',
      message: expect.stringContaining('text'),
    });
    await expect(channel.send({ text: 'x'.repeat(100_001) })).rejects.toMatchObject({
      code: 'MESSAGE_INVALID',
    });
  });

  test('resets when the peer says what it may not', async () => {
    const region = await startedHost();
    const gateway = await startedHost({ listen: [] });
    const connection = await gateway.connect(addressOf(region), { peerId: region.peerId });
    const channel = await connection.open(ECHO, { receive: z.unknown(), send: z.unknown() });
    await channel.send({ text: 7 });
    await expect(channel.receive()).rejects.toMatchObject({ code: 'CHANNEL_CLOSED' });
    expect(connection.isOpen, 'only the channel is lost').toBe(true);
  });

  test('hears what was said and ended while it was being opened', async () => {
    const region = await startedHost();
    const gateway = await startedHost({ listen: [] });
    region.serve('/test/short/1', schemas, async (channel) => channel.send({ text: 'no' }));
    const connection = await gateway.connect(addressOf(region), { peerId: region.peerId });
    for (let turn = 0; turn < 20; turn++) {
      const channel = await connection.open('/test/short/1', schemas);
      expect(await channel.receive()).toEqual({ text: 'no' });
      expect(await channel.receive()).toBeUndefined();
    }
  });

  test('refuses a message above the limit on both sides', async () => {
    const { near } = await pair();
    await expect(near.send(new Uint8Array(256 * 1024))).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE' });
  });

  test('makes a fast sender wait for a slow receiver, and keeps the order', async () => {
    const { near, far } = await pair();
    const block = new Uint8Array(50_000);
    let sent = 0;
    const sending = (async () => {
      for (; sent < 200; sent++) await near.send({ no: sent, block });
      await near.close();
    })();
    await expect.poll(() => near.congested, { timeout: 5_000 }).toBe(true);
    await delay(systemClock, 200);
    expect(sent, 'ten megabytes do not fit the windows').toBeLessThan(100);
    const numbers: unknown[] = [];
    for await (const message of far) numbers.push(z.object({ no: z.number() }).parse(message).no);
    await sending;
    expect(numbers).toEqual(Array.from({ length: 200 }, (_, at) => at));
  });

  test('lets a receiver and a waiting sender be aborted', async () => {
    const { near, far } = await pair();
    const signal = AbortSignal.timeout(50);
    await expect(far.receive({ signal })).rejects.toThrow();
    await near.send('later');
    expect(await far.receive()).toBe('later');
    const stuck = (async () => {
      for (;;) await near.send(new Uint8Array(100_000), { signal: AbortSignal.timeout(300) });
    })();
    await expect(stuck).rejects.toThrow();
  });

  test('fails for the other side when it is aborted', async () => {
    const { near, far } = await pair();
    near.abort(new Error('enough'));
    await expect(far.receive()).rejects.toMatchObject({ code: 'CHANNEL_CLOSED', retry: 'backoff' });
    await expect(near.receive()).rejects.toThrow('enough');
    await expect(near.send(1)).rejects.toMatchObject({ code: 'CHANNEL_CLOSED' });
  });
});

/** A relay before `target` that keeps what passes and can swallow everything from then on. */
async function recordedTo(target: string): Promise<{
  readonly address: string;
  sent(): Buffer;
  received(): Buffer;
  swallow(): void;
}> {
  const port = Number(/tcp\/(\d+)/.exec(target)?.[1]);
  const chunks: { up: Buffer[]; down: Buffer[] } = { up: [], down: [] };
  const sockets = new Set<Socket>();
  let swallowing = false;
  const server = createServer((client) => {
    const upstream = netConnect(port, '127.0.0.1');
    for (const [from, to, into] of [
      [client, upstream, chunks.up],
      [upstream, client, chunks.down],
    ] as const) {
      sockets.add(from);
      from.on('error', () => from.destroy()).on('close', () => !swallowing && to.destroy());
      from.on('data', (bytes) => {
        into.push(bytes);
        if (!swallowing) to.write(bytes);
      });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const own = server.address();
  const ownPort = typeof own === 'object' ? own?.port : undefined;
  return {
    address: target.replace(`tcp/${port}`, `tcp/${ownPort}`),
    sent: () => Buffer.concat(chunks.up),
    received: () => Buffer.concat(chunks.down),
    swallow: () => {
      swallowing = true;
    },
  };
}
