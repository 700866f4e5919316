import { PointNo, PROTOCOLS, UplinkDown, UplinkUp } from '@millwright/protocol';
import { describe, expect, test } from 'vitest';
import { uplinkWorld } from '../support/uplink-world.ts';

const world = uplinkWorld();

describe('after a fault of the network', () => {
  test('a backlog cut again and again arrives once, in order and whole', async () => {
    const gateway = await world.startEnrolled();
    world.proxy.weather = { refuse: true };
    world.proxy.cut();
    await gateway.fillJournal(500_000);
    const { lastSeq } = gateway.journal.stats();
    expect(lastSeq).toBeGreaterThan(50);
    world.proxy.weather = { bytesPerSecond: 4_000_000 };
    for (let cut = 1; cut <= 5; cut++) {
      const goal = (lastSeq * cut) / 8;
      await expect
        .poll(() => world.lastSeqOf(gateway.gateway), { timeout: 30_000, interval: 5 })
        .toBeGreaterThan(goal);
      world.proxy.cut();
    }
    await world.allArrived(gateway);
    expect(world.gapsOf(gateway.gateway)).toBe(0);
  });

  test.each([
    ['cut in the middle of a message', () => world.proxy.truncateAfter(100_001)],
    ['cut in the middle of an acknowledgement', () => world.proxy.truncateAfter(333, 'down')],
    ['with garbage in it', () => world.proxy.inject(Buffer.alloc(1000, 7))],
    ['with garbage from the region', () => world.proxy.inject(Buffer.alloc(1000, 7), 'down')],
  ])('a link %s is replaced and nothing is lost', async (_, harm) => {
    const gateway = await world.startEnrolled();
    const before = world.proxy.connections;
    harm();
    await gateway.fillJournal(100_000);
    await world.allArrived(gateway);
    expect(world.proxy.connections).toBeGreaterThan(before);
    expect(world.gapsOf(gateway.gateway)).toBe(0);
  });

  test('a handshake cut at any byte harms neither side', async () => {
    const gateway = await world.startGateway({ addresses: [] });
    const { peerId } = world.region.identity;
    const address = `127.0.0.1:${world.proxy.port}`;
    for (let lifeBytes = 1; lifeBytes < 4500; lifeBytes += 151) {
      world.proxy.weather = { lifeBytes };
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
    world.proxy.weather = {};
    const connection = await gateway.host.connect(address, { peerId });
    expect(connection.isOpen).toBe(true);
  });

  test('a half-open link is noticed at both ends and replaced', async () => {
    const gateway = await world.startEnrolled();
    world.proxy.weather = { blackhole: true };
    await expect.poll(() => gateway.uplink.state.state, { timeout: 10_000 }).toBe('connecting');
    await expect.poll(() => world.region.hub.online.size, { timeout: 10_000 }).toBe(0);
    await gateway.fillJournal(20_000);
    world.proxy.weather = {};
    world.proxy.cut();
    await world.isConnected(gateway);
    await world.allArrived(gateway);
  });

  test('a link that flaps is not stormed, and everything arrives', async () => {
    const gateway = await world.startEnrolled();
    world.proxy.weather = { bytesPerSecond: 2_000_000, latencyMs: 20 };
    const before = world.proxy.connections;
    const flapping = setInterval(() => world.proxy.cut(), 300);
    try {
      for (let turn = 0; turn < 20; turn++) {
        await gateway.fillJournal(20_000);
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    } finally {
      clearInterval(flapping);
    }
    expect(world.proxy.connections - before).toBeLessThan(25);
    await world.allArrived(gateway);
    expect(world.gapsOf(gateway.gateway)).toBe(0);
  });

  test('a region that ends every connection is not stormed', async () => {
    const gateway = await world.startEnrolled();
    world.proxy.weather = { refuse: true };
    const before = world.proxy.connections;
    world.proxy.cut();
    await new Promise((resolve) => setTimeout(resolve, 3000));
    expect(world.proxy.connections - before).toBeLessThan(20);
    world.proxy.weather = {};
    await world.isConnected(gateway);
  });

  test('two seconds of latency only make things slower', async () => {
    const patient = { keepAliveMs: 6_000, silenceMs: 15_000 };
    await world.startRegion(world.store, patient);
    const gateway = await world.startEnrolled(patient);
    world.proxy.weather = { latencyMs: 1000 };
    world.proxy.cut();
    await gateway.fillJournal(200_000);
    await world.allArrived(gateway, 90_000);
    expect(gateway.uplink.counters.connections).toBe(2);
  });

  test('live values pass a backlog on a slow link', async () => {
    const gateway = await world.startEnrolled();
    world.proxy.weather = { refuse: true };
    world.proxy.cut();
    await gateway.fillJournal(350_000);
    const { lastSeq } = gateway.journal.stats();
    world.proxy.weather = { bytesPerSecond: 400_000, latencyMs: 20 };
    let value = 0;
    const ticking = setInterval(() => gateway.live.set(PointNo.parse(0), ++value), 50);
    world.cleanups.push(async () => clearInterval(ticking));
    await expect
      .poll(() => world.lastSeqOf(gateway.gateway), { timeout: 60_000 })
      .toBeGreaterThan(lastSeq / 4);
    const framesThen = world.region.hub.frames;
    const worst: number[] = [];
    while (world.lastSeqOf(gateway.gateway) < (lastSeq * 3) / 4) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      worst.push(value - Number(world.region.hub.latest.get(0)));
    }
    // One value every 50 ms: a lag of 60 values is three seconds, while the backlog would have taken longer than that.
    expect(Math.max(...worst)).toBeLessThan(60);
    expect(world.region.hub.frames - framesThen).toBeGreaterThan(10);
    world.proxy.weather = {};
    await world.allArrived(gateway);
  });
});
