import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MemoryIngestStore } from '@millwright/fleet-controller/testing';
import { PointNo, UnavailableError } from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node';
import { describe, expect, test, vi } from 'vitest';
import { deviceStatus, RegionEnd } from '../support/uplink-rig.ts';
import { FAST, uplinkWorld } from '../support/uplink-world.ts';

const world = uplinkWorld();

describe('a new gateway', () => {
  test('enrols once with its token and never needs it again', async () => {
    const gateway = await world.startEnrolled();
    expect(await world.store.gatewayByKey(gateway.host.publicKey)).toBe(gateway.gateway);
    const enrolment = JSON.parse(await readFile(join(gateway.stateDir, 'enrolment.json'), 'utf8'));
    expect(enrolment).toMatchObject({ region: 'north', regionPeer: world.region.identity.peerId });
    await gateway.stop();
    await gateway.putToken('spoilt');
    const again = await world.startGateway({}, gateway);
    await world.isConnected(again);
    expect(again.gateway).toBe(gateway.gateway);
  });

  test('finds its region by the enrolment when its configuration names no address', async () => {
    const gateway = await world.startEnrolled();
    await gateway.stop();
    await world.isConnected(await world.startGateway({ addresses: [] }, gateway));
  });

  test.each([
    ['that nobody issued', async () => world.region.newToken(), 'TOKEN_UNKNOWN'],
    ['that has expired', async () => world.issueToken(Date.now() - 1), 'TOKEN_EXPIRED'],
    [
      'that another gateway used',
      async () => {
        const token = await world.issueToken();
        await world.isConnected(await world.startGateway({ token, name: 'hall-2' }));
        return token;
      },
      'TOKEN_USED',
    ],
    ['that was cut short', async () => (await world.issueToken()).slice(0, 40), 'TOKEN_MALFORMED'],
  ])('with a token %s says so, waits for another, and takes it', async (_, badToken, code) => {
    const token = await badToken();
    const before = world.proxy.connections;
    const gateway = await world.startGateway({ token });
    await expect.poll(() => gateway.uplink.state.state).toBe('connecting');
    const told = await vi.waitFor(() => {
      const line = gateway.logger.lines.find(({ level }) => level === 'warn');
      expect(line?.fields).toMatchObject({ err: { code, retry: 'reauth', hint: expect.any(String) } });
      return line;
    });
    expect(JSON.stringify(told)).not.toContain(token);
    expect(world.proxy.connections - before, 'no storm').toBeLessThanOrEqual(1);
    await gateway.putToken(await world.issueToken());
    await world.isConnected(gateway);
  });

  test('without a token says what to do', async () => {
    const gateway = await world.startGateway();
    await expect
      .poll(() => gateway.uplink.state)
      .toMatchObject({ state: 'connecting', why: expect.stringContaining('millwright region token') });
    expect(world.proxy.connections).toBe(0);
  });

  test('refuses a region with another key, whatever the address says', async () => {
    const other = await RegionEnd.start(world.store, FAST);
    world.cleanups.push(() => other.stop());
    const gateway = await world.startGateway({
      token: await world.issueToken(),
      addresses: [`127.0.0.1:${other.port}`],
    });
    await vi.waitFor(() =>
      expect(gateway.logger.lines.map(({ fields }) => fields)).toContainEqual(
        expect.objectContaining({ err: expect.objectContaining({ code: 'PEER_MISMATCH' }) }),
      ),
    );
    expect(await world.store.gatewayByKey(gateway.host.publicKey)).toBeNull();
  });
});

describe('the uplink', () => {
  test('carries catalogue, devices, events and frames', async () => {
    const gateway = await world.startEnrolled({ points: 450 });
    await expect.poll(() => world.store.catalogOf(gateway.gateway).length).toBe(450);
    await expect.poll(() => world.store.devicesOf(gateway.gateway)).toEqual([deviceStatus('pump-1', true)]);
    gateway.growCatalog();
    const many = Array.from({ length: 700 }, (_, at) => deviceStatus(`pump-${1000 + at}`, true));
    gateway.setDevices(many, many);
    await expect.poll(() => world.store.catalogOf(gateway.gateway).length).toBe(451);
    await expect.poll(() => world.store.devicesOf(gateway.gateway)).toEqual(many);
    const changed = deviceStatus('pump-1003', false);
    gateway.setDevices(
      many.map((each) => (each.device === changed.device ? changed : each)),
      [changed],
    );
    await expect.poll(() => world.store.devicesOf(gateway.gateway)[3]).toEqual(changed);
    const event = { id: 'e1', atMs: 5, type: 'device.offline' as const, message: 'pump-1003 is silent' };
    await gateway.journal.appendEvent(event);
    await gateway.fillJournal(20_000);
    await world.allArrived(gateway);
    expect(world.store.entriesOf(gateway.gateway)).toContainEqual(expect.objectContaining({ event }));
    await expect.poll(() => gateway.uplink.counters).toMatchObject({ lagEntries: 0, connections: 1 });
  });

  test('carries live values, the full picture first', async () => {
    const gateway = await world.startGateway({ points: 3 });
    gateway.live.set(PointNo.parse(1), 11);
    gateway.live.set(PointNo.parse(2), 22);
    await gateway.putToken(await world.issueToken());
    await world.isConnected(gateway);
    await expect
      .poll(() => world.region.hub.latest)
      .toEqual(
        new Map([
          [1, 11],
          [2, 22],
        ]),
      );
    gateway.live.set(PointNo.parse(1), 12);
    await expect.poll(() => world.region.hub.latest.get(1)).toBe(12);
  });

  test('knows at both ends whether it is up', async () => {
    const gateway = await world.startEnrolled();
    expect(world.region.server.connected()).toEqual([gateway.gateway]);
    expect([...world.region.hub.online]).toEqual([gateway.gateway]);
    expect(world.store.isConnected(gateway.gateway)).toBe(true);
    await gateway.stop();
    await expect.poll(() => world.store.isConnected(gateway.gateway)).toBe(false);
    expect(world.region.hub.online.size).toBe(0);
    expect(gateway.uplink.state).toEqual({ state: 'stopped' });
  });
});

describe('after a fault of the region', () => {
  test('a restart is resumed where it was', async () => {
    const gateway = await world.startEnrolled();
    await gateway.fillJournal(50_000);
    await world.allArrived(gateway);
    await world.region.stop();
    await gateway.fillJournal(50_000);
    await expect.poll(() => gateway.uplink.state.state).toBe('connecting');
    await world.region.start();
    await world.allArrived(gateway);
    expect(world.gapsOf(gateway.gateway)).toBe(0);
    expect(gateway.uplink.counters.entriesSent, 'nothing acknowledged is sent again').toBe(
      world.store.entriesOf(gateway.gateway).length,
    );
  });

  test('a store that fails for a while loses nothing', async () => {
    const gateway = await world.startEnrolled();
    await gateway.fillJournal(50_000);
    const works = world.store.appendEntries.bind(world.store);
    const append = vi.spyOn(world.store, 'appendEntries').mockImplementation(async (to, entries) => {
      if (entries.some((entry) => entry.seq % 3 === 0) && Math.random() < 0.5) {
        throw new UnavailableError('DATABASE_AWAY', 'the database was killed');
      }
      return works(to, entries);
    });
    await gateway.fillJournal(100_000);
    await expect.poll(() => append.mock.settledResults.some(({ type }) => type === 'rejected')).toBe(true);
    append.mockRestore();
    await world.allArrived(gateway);
    expect(world.gapsOf(gateway.gateway)).toBe(0);
  });

  test('what it lost with its disk is declared as a gap', async () => {
    const gateway = await world.startEnrolled();
    await gateway.fillJournal(50_000);
    await world.allArrived(gateway);
    const { lastSeq } = gateway.journal.stats();
    await world.region.stop();
    const backup = new MemoryIngestStore({ clock: systemClock });
    world.store = backup;
    world.region.store = backup;
    await world.region.start();
    await gateway.putToken(await world.issueToken());
    await gateway.fillJournal(20_000);
    await expect
      .poll(() => world.store.gatewayByKey(gateway.host.publicKey), { timeout: 10_000 })
      .not.toBeNull();
    await world.allArrived(gateway);
    expect(world.store.entriesOf(gateway.gateway)[0]).toMatchObject({
      kind: 'gap',
      seq: 0,
      seqEnd: lastSeq,
      gap: { reason: 'region-lost' },
    });
    expect(world.store.catalogOf(gateway.gateway)).toHaveLength(1);
  });

  test('an entry it cannot read becomes a gap, and what follows arrives', async () => {
    const gateway = await world.startEnrolled();
    const works = world.store.appendEntries.bind(world.store);
    vi.spyOn(world.store, 'appendEntries').mockImplementation(async (to, entries) =>
      works(
        to,
        entries.map((entry) =>
          entry.kind === 'frame' && entry.seq === 2 ? { ...entry, bytes: entry.bytes.slice(1) } : entry,
        ),
      ),
    );
    await gateway.fillJournal(50_000);
    await world.allArrived(gateway);
    const gaps = world.store.entriesOf(gateway.gateway).filter((entry) => entry.kind === 'gap');
    expect(gaps).toMatchObject([{ seq: 2, seqEnd: 2, gap: { reason: 'unreadable' } }]);
    expect(gateway.uplink.counters.connections).toBe(1);
  });
});
