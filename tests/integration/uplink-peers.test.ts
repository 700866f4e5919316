import {
  type AlarmCommand,
  DeviceSlug,
  type GatewayId,
  PointId,
  PROTOCOLS,
  UplinkDown,
  UplinkUp,
  type WriteCommand,
} from '@millwright/protocol';
import { createHost, systemClock, temporaryIdentity } from '@millwright/protocol/node';
import { MemoryLogger } from '@millwright/protocol/testing';
import { describe, expect, test, vi } from 'vitest';
import { GatewayEnd } from '../support/uplink-rig.ts';
import { FAST, uplinkWorld } from '../support/uplink-world.ts';

const world = uplinkWorld();

describe('two with one identity', () => {
  test('a newer connection replaces the older, and the older one steps back', async () => {
    const gateway = await world.startEnrolled();
    await gateway.fillJournal(20_000);
    await world.allArrived(gateway);
    const before = world.proxy.connections;
    const copy = await GatewayEnd.start(
      { ...FAST, addresses: [`127.0.0.1:${world.proxy.port}`] },
      { stateDir: gateway.stateDir, kv: gateway.kv },
    );
    world.cleanups.push(() => copy.stop());
    await vi.waitFor(() =>
      expect(gateway.logger.lines.map(({ fields }) => fields)).toContainEqual(
        expect.objectContaining({ err: expect.objectContaining({ code: 'REPLACED' }) }),
      ),
    );
    await new Promise((resolve) => setTimeout(resolve, 3000));
    expect(world.proxy.connections - before).toBeLessThan(20);
    await expect
      .poll(() => world.region.server.connected(), { timeout: 10_000, interval: 10 })
      .toEqual([gateway.gateway]);
  });

  test('a gateway set back in time is told, and overwrites nothing', async () => {
    const gateway = await world.startEnrolled();
    await gateway.fillJournal(50_000);
    await world.allArrived(gateway);
    const held = world.store.entriesOf(gateway.gateway).length;
    await gateway.stop();
    vi.spyOn(world.store, 'hello').mockImplementation(async ({ epoch }) => ({
      acked: { epoch, seq: 1_000_000 },
      catalogSize: 1,
    }));
    const again = await world.startGateway({}, gateway);
    await expect
      .poll(() => again.uplink.state)
      .toMatchObject({ state: 'connecting', why: expect.stringContaining('set back in time') });
    expect(world.store.entriesOf(gateway.gateway)).toHaveLength(held);
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
    world.cleanups.push(() => host.stop());
    await host.start();
    const connection = await host.connect(`127.0.0.1:${world.region.port}`, {
      peerId: world.region.identity.peerId,
    });
    const schemas = { receive: UplinkDown, send: UplinkUp };
    const uplink = await connection.open(PROTOCOLS.uplink, schemas);
    expect(await uplink.receive()).toMatchObject({ type: 'refused', code: 'NOT_ENROLLED' });
    expect(await uplink.receive()).toBeUndefined();
    const live = await connection.open(PROTOCOLS.live, schemas);
    await expect(live.receive()).rejects.toMatchObject({ code: 'CHANNEL_CLOSED' });
    expect(world.region.hub.frames).toBe(0);
  });

  test('who is enrolled may not speak for another', async () => {
    const gateway = await world.startEnrolled();
    await gateway.uplink.stop();
    const connection = await gateway.host.connect(`127.0.0.1:${world.region.port}`, {
      peerId: world.region.identity.peerId,
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
    const gateway = await world.startEnrolled({
      commands: async (received) => {
        seen.push(received);
        return { id: received.id, result: 'done', message: 'set to 40', readBack: 40, atMs: 7 };
      },
    });
    expect(await world.region.server.sendCommand(gateway.gateway, command)).toEqual({
      id: 'command-1',
      result: 'done',
      message: 'set to 40',
      readBack: 40,
      atMs: 7,
    });
    expect(seen).toEqual([command]);
  });

  test('about an alarm reaches its gateway, and is not sent to one that knows none', async () => {
    const ask: AlarmCommand = {
      ...{ id: 'command-2', device: command.device, point: command.point, alarm: 'hi', action: 'shelve' },
      ...{ reason: 'repair', forMs: 60_000, by: command.by, issuedAtMs: 1, expiresAtMs: 2 },
    };
    const seen: AlarmCommand[] = [];
    const gateway = await world.startEnrolled({
      alarms: async (received) => {
        seen.push(received);
        return { id: received.id, result: 'done', message: 'shelved', atMs: 7 };
      },
    });
    const { server } = world.region;
    expect(await server.sendCommand(gateway.gateway, ask)).toMatchObject({ result: 'done' });
    expect(seen).toEqual([ask]);
    const older = await world.startEnrolled({ name: 'hall-2' });
    await expect(server.sendCommand(older.gateway, ask)).rejects.toMatchObject({ code: 'GATEWAY_OFFLINE' });
  });

  test('that is a dry run is still one when it reaches its gateway', async () => {
    const seen: WriteCommand[] = [];
    const gateway = await world.startEnrolled({
      commands: async (received) => {
        seen.push(received);
        return { id: received.id, result: 'done', message: 'would be 40', dryRun: true, atMs: 7 };
      },
    });
    const dryRun = { ...command, dryRun: true };
    expect(await world.region.server.sendCommand(gateway.gateway, dryRun)).toMatchObject({ dryRun: true });
    expect(seen).toEqual([dryRun]);
  });

  test('to a gateway that is away is not sent', async () => {
    const gateway = await world.startEnrolled();
    await gateway.stop();
    await expect.poll(() => world.region.server.connected()).toEqual([]);
    await expect(world.region.server.sendCommand(gateway.gateway, command)).rejects.toMatchObject({
      code: 'GATEWAY_OFFLINE',
      retry: 'backoff',
    });
  });

  test('without an answer in time is unknown, and so is one whose gateway fails', async () => {
    let fail = false;
    const gateway = await world.startEnrolled({
      commands: () => (fail ? Promise.reject(new Error('driver broke')) : new Promise(() => undefined)),
    });
    expect(await world.region.server.sendCommand(gateway.gateway, command, { withinMs: 200 })).toMatchObject({
      result: 'unknown',
      code: 'TIMEOUT',
    });
    fail = true;
    expect(await world.region.server.sendCommand(gateway.gateway, command)).toMatchObject({
      result: 'unknown',
      code: 'INTERNAL',
      message: expect.stringContaining('driver broke'),
    });
  });

  test('whose link is cut on the way is unknown', async () => {
    const started = Promise.withResolvers<void>();
    const gateway = await world.startEnrolled({
      commands: () => {
        started.resolve();
        return new Promise(() => undefined);
      },
    });
    const receipt = world.region.server.sendCommand(gateway.gateway, command);
    await started.promise;
    world.proxy.cut();
    expect(await receipt).toMatchObject({ result: 'unknown' });
  });

  test('is taken from the own region only', async () => {
    const carriedOut = vi.fn();
    const gateway = await world.startEnrolled({ commands: carriedOut });
    await gateway.uplink.stop();
    const { server } = world.region;
    await expect(server.sendCommand(gateway.gateway, command)).rejects.toMatchObject({
      code: 'GATEWAY_OFFLINE',
    });
    expect(carriedOut).not.toHaveBeenCalled();
  });
});
