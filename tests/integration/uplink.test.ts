import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type IngestStore, MemoryIngestStore } from '@millwright/fleet-controller/testing';
import {
  DeviceSlug,
  type GatewayId,
  PointId,
  PointNo,
  PROTOCOLS,
  UnavailableError,
  UplinkDown,
  UplinkUp,
  type WriteCommand,
} from '@millwright/protocol';
import { createHost, systemClock, temporaryIdentity } from '@millwright/protocol/node';
import { MemoryLogger } from '@millwright/protocol/testing';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { deviceStatus, GatewayEnd, type GatewayEndOptions, RegionEnd } from '../support/uplink-rig.ts';

const FAST = { keepAliveMs: 150, silenceMs: 600 };
const HOUR = 3_600_000;

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

let store: MemoryIngestStore;
let region: RegionEnd;
let proxy: TcpProxy;

beforeEach(async () => {
  store = new MemoryIngestStore({ clock: systemClock });
  await startRegion(store);
});

async function startRegion(over: IngestStore, timing = FAST): Promise<void> {
  region = await RegionEnd.start(over, timing);
  proxy = new TcpProxy({ port: region.port });
  await proxy.start();
  const [theRegion, theProxy] = [region, proxy];
  cleanups.push(async () => {
    await theProxy.stop();
    await theRegion.stop();
  });
}

async function issueToken(expiresAtMs = Date.now() + HOUR): Promise<string> {
  const token = region.newToken();
  await store.addToken({ token, expiresAtMs });
  return token;
}

async function startGateway(
  options: Partial<GatewayEndOptions> = {},
  from?: Parameters<typeof GatewayEnd.start>[1],
) {
  const gateway = await GatewayEnd.start(
    { ...FAST, addresses: [`127.0.0.1:${proxy.port}`], ...options },
    from,
  );
  cleanups.push(() => gateway.remove());
  return gateway;
}

async function startEnrolled(options: Partial<GatewayEndOptions> = {}) {
  const gateway = await startGateway({ token: await issueToken(), ...options });
  await isConnected(gateway);
  return gateway;
}

async function isConnected(gateway: GatewayEnd): Promise<void> {
  await expect.poll(() => gateway.uplink.state, { timeout: 20_000 }).toMatchObject({ state: 'connected' });
}

/** Every entry of the journal so far is in the store, once and in order, and the journal has let go of it. */
async function allArrived(gateway: GatewayEnd, timeoutMs = 60_000): Promise<void> {
  const { lastSeq } = gateway.journal.stats();
  await expect
    .poll(() => lastSeqOf(gateway.gateway), { timeout: timeoutMs, interval: 50 })
    .toBeGreaterThanOrEqual(lastSeq);
  let next = 0;
  for (const entry of store.entriesOf(gateway.gateway)) {
    expect(entry.seq).toBe(next);
    next = entry.seqEnd + 1;
  }
  await expect.poll(() => gateway.journal.stats().firstSeq, { timeout: 10_000 }).toBeGreaterThan(lastSeq);
}

function lastSeqOf(gateway: GatewayId): number {
  return store.entriesOf(gateway).at(-1)?.seqEnd ?? -1;
}

function samplesLost(gateway: GatewayId): number {
  return store.entriesOf(gateway).filter((entry) => entry.kind === 'gap').length;
}

describe('a new gateway', () => {
  test('enrols once with its token and never needs it again', async () => {
    const gateway = await startEnrolled();
    expect(await store.gatewayByKey(gateway.host.publicKey)).toBe(gateway.gateway);
    const enrolment = JSON.parse(await readFile(join(gateway.stateDir, 'enrolment.json'), 'utf8'));
    expect(enrolment).toMatchObject({ region: 'north', regionPeer: region.identity.peerId });
    await gateway.stop();
    await gateway.putToken('spoilt');
    const again = await startGateway({}, gateway);
    await isConnected(again);
    expect(again.gateway).toBe(gateway.gateway);
  });

  test('finds its region by the enrolment when its configuration names no address', async () => {
    const gateway = await startEnrolled();
    await gateway.stop();
    await isConnected(await startGateway({ addresses: [] }, gateway));
  });

  test.each([
    ['that nobody issued', async () => region.newToken(), 'TOKEN_UNKNOWN'],
    ['that has expired', async () => issueToken(Date.now() - 1), 'TOKEN_EXPIRED'],
    [
      'that another gateway used',
      async () => {
        const token = await issueToken();
        await isConnected(await startGateway({ token, name: 'hall-2' }));
        return token;
      },
      'TOKEN_USED',
    ],
    ['that was cut short', async () => (await issueToken()).slice(0, 40), 'TOKEN_MALFORMED'],
  ])('with a token %s says so, waits for another, and takes it', async (_, badToken, code) => {
    const token = await badToken();
    const before = proxy.connections;
    const gateway = await startGateway({ token });
    await expect.poll(() => gateway.uplink.state.state).toBe('connecting');
    const told = await vi.waitFor(() => {
      const line = gateway.logger.lines.find(({ level }) => level === 'warn');
      expect(line?.fields).toMatchObject({ err: { code, retry: 'reauth', hint: expect.any(String) } });
      return line;
    });
    expect(JSON.stringify(told)).not.toContain(token);
    expect(proxy.connections - before, 'no storm').toBeLessThanOrEqual(1);
    await gateway.putToken(await issueToken());
    await isConnected(gateway);
  });

  test('without a token says what to do', async () => {
    const gateway = await startGateway();
    await expect
      .poll(() => gateway.uplink.state)
      .toMatchObject({ state: 'connecting', why: expect.stringContaining('millwright region token') });
    expect(proxy.connections).toBe(0);
  });

  test('refuses a region with another key, whatever the address says', async () => {
    const other = await RegionEnd.start(store, FAST);
    cleanups.push(() => other.stop());
    const gateway = await startGateway({
      token: await issueToken(),
      addresses: [`127.0.0.1:${other.port}`],
    });
    await vi.waitFor(() =>
      expect(gateway.logger.lines.map(({ fields }) => fields)).toContainEqual(
        expect.objectContaining({ err: expect.objectContaining({ code: 'PEER_MISMATCH' }) }),
      ),
    );
    expect(await store.gatewayByKey(gateway.host.publicKey)).toBeNull();
  });
});

describe('the uplink', () => {
  test('carries catalogue, devices, events and frames', async () => {
    const gateway = await startEnrolled({ points: 450 });
    await expect.poll(() => store.catalogOf(gateway.gateway).length).toBe(450);
    await expect.poll(() => store.devicesOf(gateway.gateway)).toEqual([deviceStatus('pump-1', true)]);
    gateway.growCatalog();
    const many = Array.from({ length: 700 }, (_, at) => deviceStatus(`pump-${1000 + at}`, true));
    gateway.setDevices(many, many);
    await expect.poll(() => store.catalogOf(gateway.gateway).length).toBe(451);
    await expect.poll(() => store.devicesOf(gateway.gateway)).toEqual(many);
    const changed = deviceStatus('pump-1003', false);
    gateway.setDevices(
      many.map((each) => (each.device === changed.device ? changed : each)),
      [changed],
    );
    await expect.poll(() => store.devicesOf(gateway.gateway)[3]).toEqual(changed);
    const event = { id: 'e1', atMs: 5, type: 'device.offline' as const, message: 'pump-1003 is silent' };
    await gateway.journal.appendEvent(event);
    await gateway.fillJournal(20_000);
    await allArrived(gateway);
    expect(store.entriesOf(gateway.gateway)).toContainEqual(expect.objectContaining({ event }));
    await expect.poll(() => gateway.uplink.counters).toMatchObject({ lagEntries: 0, connections: 1 });
  });

  test('carries live values, the full picture first', async () => {
    const gateway = await startGateway({ points: 3 });
    gateway.live.set(PointNo.parse(1), 11);
    gateway.live.set(PointNo.parse(2), 22);
    await gateway.putToken(await issueToken());
    await isConnected(gateway);
    await expect
      .poll(() => region.hub.latest)
      .toEqual(
        new Map([
          [1, 11],
          [2, 22],
        ]),
      );
    gateway.live.set(PointNo.parse(1), 12);
    await expect.poll(() => region.hub.latest.get(1)).toBe(12);
  });

  test('knows at both ends whether it is up', async () => {
    const gateway = await startEnrolled();
    expect(region.server.connected()).toEqual([gateway.gateway]);
    expect([...region.hub.online]).toEqual([gateway.gateway]);
    expect(store.isConnected(gateway.gateway)).toBe(true);
    await gateway.stop();
    await expect.poll(() => store.isConnected(gateway.gateway)).toBe(false);
    expect(region.hub.online.size).toBe(0);
    expect(gateway.uplink.state).toEqual({ state: 'stopped' });
  });
});

describe('after a fault of the network', () => {
  test('a backlog cut again and again arrives once, in order and whole', async () => {
    const gateway = await startEnrolled();
    proxy.weather = { refuse: true };
    proxy.cut();
    await gateway.fillJournal(500_000);
    const { lastSeq } = gateway.journal.stats();
    expect(lastSeq).toBeGreaterThan(50);
    proxy.weather = { bytesPerSecond: 4_000_000 };
    for (let cut = 1; cut <= 5; cut++) {
      const goal = (lastSeq * cut) / 8;
      await expect
        .poll(() => lastSeqOf(gateway.gateway), { timeout: 30_000, interval: 5 })
        .toBeGreaterThan(goal);
      proxy.cut();
    }
    await allArrived(gateway);
    expect(samplesLost(gateway.gateway)).toBe(0);
  });

  test.each([
    ['cut in the middle of a message', () => proxy.truncateAfter(100_001)],
    ['cut in the middle of an acknowledgement', () => proxy.truncateAfter(333, 'down')],
    ['with garbage in it', () => proxy.inject(Buffer.alloc(1000, 7))],
    ['with garbage from the region', () => proxy.inject(Buffer.alloc(1000, 7), 'down')],
  ])('a link %s is replaced and nothing is lost', async (_, harm) => {
    const gateway = await startEnrolled();
    const before = proxy.connections;
    harm();
    await gateway.fillJournal(100_000);
    await allArrived(gateway);
    expect(proxy.connections).toBeGreaterThan(before);
    expect(samplesLost(gateway.gateway)).toBe(0);
  });

  test('a handshake cut at any byte harms neither side', async () => {
    const gateway = await startGateway({ addresses: [] });
    const { peerId } = region.identity;
    const address = `127.0.0.1:${proxy.port}`;
    for (let lifeBytes = 1; lifeBytes < 4500; lifeBytes += 151) {
      proxy.weather = { lifeBytes };
      const connection = await gateway.host.connect(address, { peerId }).catch((error) => {
        expect(error).toMatchObject({ code: 'PEER_UNREACHABLE' });
      });
      // The side that dialled may be done before the other is.
      if (connection !== undefined) {
        const schemas = { receive: UplinkDown, send: UplinkUp };
        await connection.open(PROTOCOLS.uplink, schemas).then(
          (channel) => channel.receive().catch(() => undefined),
          (error) => expect(error).toMatchObject({ code: 'PEER_UNREACHABLE' }),
        );
      }
    }
    proxy.weather = {};
    const connection = await gateway.host.connect(address, { peerId });
    expect(connection.isOpen).toBe(true);
  });

  test('a half-open link is noticed at both ends and replaced', async () => {
    const gateway = await startEnrolled();
    proxy.weather = { blackhole: true };
    await expect.poll(() => gateway.uplink.state.state, { timeout: 10_000 }).toBe('connecting');
    await expect.poll(() => region.hub.online.size, { timeout: 10_000 }).toBe(0);
    await gateway.fillJournal(20_000);
    proxy.weather = {};
    proxy.cut();
    await isConnected(gateway);
    await allArrived(gateway);
  });

  test('a link that flaps is not stormed, and everything arrives', async () => {
    const gateway = await startEnrolled();
    proxy.weather = { bytesPerSecond: 2_000_000, latencyMs: 20 };
    const before = proxy.connections;
    const flapping = setInterval(() => proxy.cut(), 300);
    try {
      for (let turn = 0; turn < 20; turn++) {
        await gateway.fillJournal(20_000);
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    } finally {
      clearInterval(flapping);
    }
    expect(proxy.connections - before).toBeLessThan(25);
    await allArrived(gateway);
    expect(samplesLost(gateway.gateway)).toBe(0);
  });

  test('two seconds of latency only make things slower', async () => {
    const patient = { keepAliveMs: 6_000, silenceMs: 15_000 };
    await startRegion(store, patient);
    const gateway = await startEnrolled(patient);
    proxy.weather = { latencyMs: 1000 };
    proxy.cut();
    await gateway.fillJournal(200_000);
    await allArrived(gateway, 90_000);
    expect(gateway.uplink.counters.connections).toBe(2);
  });

  test('live values pass a backlog on a slow link', async () => {
    const gateway = await startEnrolled();
    proxy.weather = { refuse: true };
    proxy.cut();
    await gateway.fillJournal(350_000);
    const { lastSeq } = gateway.journal.stats();
    proxy.weather = { bytesPerSecond: 400_000, latencyMs: 20 };
    let value = 0;
    const ticking = setInterval(() => gateway.live.set(PointNo.parse(0), ++value), 50);
    cleanups.push(async () => clearInterval(ticking));
    await expect.poll(() => lastSeqOf(gateway.gateway), { timeout: 60_000 }).toBeGreaterThan(lastSeq / 4);
    const framesThen = region.hub.frames;
    const worst: number[] = [];
    while (lastSeqOf(gateway.gateway) < (lastSeq * 3) / 4) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      worst.push(value - Number(region.hub.latest.get(0)));
    }
    // One value every 50 ms: a lag of 60 values is three seconds, while the backlog would have taken longer than that.
    expect(Math.max(...worst)).toBeLessThan(60);
    expect(region.hub.frames - framesThen).toBeGreaterThan(10);
    proxy.weather = {};
    await allArrived(gateway);
  });
});

describe('after a fault of the region', () => {
  test('a restart is resumed where it was', async () => {
    const gateway = await startEnrolled();
    await gateway.fillJournal(50_000);
    await allArrived(gateway);
    await region.stop();
    await gateway.fillJournal(50_000);
    await expect.poll(() => gateway.uplink.state.state).toBe('connecting');
    await region.start();
    await allArrived(gateway);
    expect(samplesLost(gateway.gateway)).toBe(0);
  });

  test('a store that fails for a while loses nothing', async () => {
    const gateway = await startEnrolled();
    await gateway.fillJournal(50_000);
    const works = store.appendEntries.bind(store);
    const append = vi.spyOn(store, 'appendEntries').mockImplementation(async (to, entries) => {
      if (entries.some((entry) => entry.seq % 3 === 0) && Math.random() < 0.5) {
        throw new UnavailableError('DATABASE_AWAY', 'the database was killed');
      }
      return works(to, entries);
    });
    await gateway.fillJournal(100_000);
    await expect.poll(() => append.mock.settledResults.some(({ type }) => type === 'rejected')).toBe(true);
    append.mockRestore();
    await allArrived(gateway);
    expect(samplesLost(gateway.gateway)).toBe(0);
  });

  test('what it lost with its disk is declared as a gap', async () => {
    const gateway = await startEnrolled();
    await gateway.fillJournal(50_000);
    await allArrived(gateway);
    const { lastSeq } = gateway.journal.stats();
    await region.stop();
    const backup = new MemoryIngestStore({ clock: systemClock });
    store = backup;
    region.store = backup;
    await region.start();
    await gateway.putToken(await issueToken());
    await gateway.fillJournal(20_000);
    await expect.poll(() => store.gatewayByKey(gateway.host.publicKey), { timeout: 10_000 }).not.toBeNull();
    await allArrived(gateway);
    expect(store.entriesOf(gateway.gateway)[0]).toMatchObject({
      kind: 'gap',
      seq: 0,
      seqEnd: lastSeq,
      gap: { reason: 'region-lost' },
    });
    expect(store.catalogOf(gateway.gateway)).toHaveLength(1);
  });

  test('an entry it cannot read becomes a gap, and what follows arrives', async () => {
    const gateway = await startEnrolled();
    const works = store.appendEntries.bind(store);
    vi.spyOn(store, 'appendEntries').mockImplementation(async (to, entries) =>
      works(
        to,
        entries.map((entry) =>
          entry.kind === 'frame' && entry.seq === 2 ? { ...entry, bytes: entry.bytes.slice(1) } : entry,
        ),
      ),
    );
    await gateway.fillJournal(50_000);
    await allArrived(gateway);
    const gaps = store.entriesOf(gateway.gateway).filter((entry) => entry.kind === 'gap');
    expect(gaps).toMatchObject([{ seq: 2, seqEnd: 2, gap: { reason: 'unreadable' } }]);
    expect(gateway.uplink.counters.connections).toBe(1);
  });
});

describe('two with one identity', () => {
  test('a newer connection replaces the older, and the older one steps back', async () => {
    const gateway = await startEnrolled();
    await gateway.fillJournal(20_000);
    await allArrived(gateway);
    const before = proxy.connections;
    const copy = await GatewayEnd.start(
      { ...FAST, addresses: [`127.0.0.1:${proxy.port}`] },
      { stateDir: gateway.stateDir, kv: gateway.kv },
    );
    cleanups.push(() => copy.stop());
    await vi.waitFor(() =>
      expect(gateway.logger.lines.map(({ fields }) => fields)).toContainEqual(
        expect.objectContaining({ err: expect.objectContaining({ code: 'REPLACED' }) }),
      ),
    );
    await new Promise((resolve) => setTimeout(resolve, 3000));
    expect(proxy.connections - before).toBeLessThan(20);
    expect(region.server.connected()).toEqual([gateway.gateway]);
  });

  test('a gateway set back in time is told, and overwrites nothing', async () => {
    const gateway = await startEnrolled();
    await gateway.fillJournal(50_000);
    await allArrived(gateway);
    const held = store.entriesOf(gateway.gateway).length;
    await gateway.stop();
    vi.spyOn(store, 'hello').mockImplementation(async ({ epoch }) => ({
      acked: { epoch, seq: 1_000_000 },
      catalogSize: 1,
    }));
    const again = await startGateway({}, gateway);
    await expect
      .poll(() => again.uplink.state)
      .toMatchObject({ state: 'connecting', why: expect.stringContaining('set back in time') });
    expect(store.entriesOf(gateway.gateway)).toHaveLength(held);
  });
});

describe('a stranger', () => {
  test('is refused an uplink, live values and commands, and may stay only to enrol', async () => {
    const host = createHost({
      identity: await temporaryIdentity(),
      listen: [],
      clock: systemClock,
      logger: new MemoryLogger(),
    });
    cleanups.push(() => host.stop());
    await host.start();
    const connection = await host.connect(`127.0.0.1:${region.port}`, { peerId: region.identity.peerId });
    const schemas = { receive: UplinkDown, send: UplinkUp };
    const uplink = await connection.open(PROTOCOLS.uplink, schemas);
    expect(await uplink.receive()).toMatchObject({ type: 'refused', code: 'NOT_ENROLLED' });
    expect(await uplink.receive()).toBeUndefined();
    const live = await connection.open(PROTOCOLS.live, schemas);
    await expect(live.receive()).rejects.toMatchObject({ code: 'CHANNEL_CLOSED' });
    expect(region.hub.frames).toBe(0);
  });

  test('who is enrolled may not speak for another', async () => {
    const gateway = await startEnrolled();
    await gateway.uplink.stop();
    const connection = await gateway.host.connect(`127.0.0.1:${region.port}`, {
      peerId: region.identity.peerId,
    });
    const uplink = await connection.open(PROTOCOLS.uplink, { receive: UplinkDown, send: UplinkUp });
    await uplink.send({
      type: 'hello',
      gateway: 'gw_aaaaaaaaaaaaaaaa' as GatewayId,
      name: 'hall-1',
      site: 'north' as never,
      version: '0.1.0',
      startedAtMs: 1,
      wallMs: 1,
      epoch: 1,
      firstSeq: 0,
      catalogSize: 0,
    });
    expect(await uplink.receive()).toMatchObject({ type: 'refused', code: 'GATEWAY_MISMATCH' });
  });
});

describe('a command', () => {
  const command: WriteCommand = {
    id: 'command-1',
    device: DeviceSlug.parse('pump-1'),
    point: PointId.parse('speed'),
    value: 40,
    by: { name: 'Ada', role: 'operator' },
    issuedAtMs: 1,
    expiresAtMs: 2,
  };

  test('reaches its gateway and comes back as a receipt', async () => {
    const seen: WriteCommand[] = [];
    const gateway = await startEnrolled({
      commands: async (received) => {
        seen.push(received);
        return { id: received.id, result: 'done', message: 'set to 40', readBack: 40, atMs: 7 };
      },
    });
    expect(await region.server.sendCommand(gateway.gateway, command)).toEqual({
      id: 'command-1',
      result: 'done',
      message: 'set to 40',
      readBack: 40,
      atMs: 7,
    });
    expect(seen).toEqual([command]);
  });

  test('to a gateway that is away is not sent', async () => {
    const gateway = await startEnrolled();
    await gateway.stop();
    await expect.poll(() => region.server.connected()).toEqual([]);
    await expect(region.server.sendCommand(gateway.gateway, command)).rejects.toMatchObject({
      code: 'GATEWAY_OFFLINE',
      retry: 'backoff',
    });
  });

  test('without an answer in time is unknown, and so is one whose gateway fails', async () => {
    let fail = false;
    const gateway = await startEnrolled({
      commands: () => (fail ? Promise.reject(new Error('driver broke')) : new Promise(() => undefined)),
    });
    expect(await region.server.sendCommand(gateway.gateway, command, { withinMs: 200 })).toMatchObject({
      result: 'unknown',
      code: 'TIMEOUT',
    });
    fail = true;
    expect(await region.server.sendCommand(gateway.gateway, command)).toMatchObject({
      result: 'unknown',
      code: 'INTERNAL',
      message: expect.stringContaining('driver broke'),
    });
  });

  test('whose link is cut on the way is unknown', async () => {
    const started = Promise.withResolvers<void>();
    const gateway = await startEnrolled({
      commands: () => {
        started.resolve();
        return new Promise(() => undefined);
      },
    });
    const receipt = region.server.sendCommand(gateway.gateway, command);
    await started.promise;
    proxy.cut();
    expect(await receipt).toMatchObject({ result: 'unknown' });
  });

  test('is taken from the own region only', async () => {
    const carriedOut = vi.fn();
    const gateway = await startEnrolled({ commands: carriedOut });
    await gateway.uplink.stop();
    const { server } = region;
    await expect(server.sendCommand(gateway.gateway, command)).rejects.toMatchObject({
      code: 'GATEWAY_OFFLINE',
    });
    expect(carriedOut).not.toHaveBeenCalled();
  });
});
