import { bad, type DeviceId, type GatewayId } from '@millwright/protocol';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { TEST_SERVERS, TestServer } from '../postgres/test-server.fixture.ts';
import { deviceStatus, RegionData } from '../region-data.fixture.ts';
import { Overview } from '../summary/overview.ts';
import { Rates } from '../summary/rates.ts';
import { InventoryReader } from './inventory-reader.ts';
import { JournalReader } from './journal-reader.ts';

const PUMP = 'dev_hall.pump' as DeviceId;
const HOUR = 3_600_000;

for (const { name, binaries } of TEST_SERVERS) {
  describe(`what the region knows, on ${name}`, () => {
    let server: TestServer;
    let data: RegionData;
    let inventory: InventoryReader;
    let journals: JournalReader;
    let now: number;
    beforeAll(async () => {
      server = await TestServer.start(binaries);
    }, 60_000);
    afterAll(() => server.stop());
    beforeEach(async () => {
      data = await RegionData.open(await server.newDatabase());
      inventory = new InventoryReader(data);
      journals = new JournalReader(data);
      now = data.clock.wallMs();
    });
    afterEach(() => data.close());

    async function connect(gateway: GatewayId, connected = true): Promise<void> {
      data.live.connected(gateway, connected);
      await data.store.setConnected(gateway, connected);
    }

    test('gateways come with what they hold and whether they are connected', async () => {
      const one = await data.gateway('one', [{ point: 'p' }]);
      await data.gateway('two', []);
      await data.devices(one, 'pump', 'fan');
      await data.store.upsertDevices(one, [deviceStatus('fan', { online: false, why: 'no answer' })], false);
      await data.storeSamples(one, [[0, now, 1]], [[0, now + 1, 2]]);
      await connect(one);
      const { items, next } = await inventory.gateways({ limit: 10 });
      expect(next).toBeNull();
      expect(items.find(({ id }) => id === one)).toEqual({
        id: one,
        name: 'one',
        site: 'hall',
        version: '1',
        online: true,
        lastSeenMs: now,
        enrolledAtMs: now,
        devices: 2,
        devicesOnline: 1,
        frames: 2,
        samples: 2,
        gaps: 0,
      });
      expect(items.find(({ name: called }) => called === 'two')).toMatchObject({
        online: false,
        lastSeenMs: null,
      });
    });

    test('devices are online when they are for their gateway and it is for the region', async () => {
      const one = await data.gateway('one', []);
      await data.store.upsertDevices(
        one,
        [deviceStatus('pump'), deviceStatus('fan', { online: false, why: 'dark' })],
        true,
      );
      const seen = async () =>
        (await inventory.devices({ limit: 10 })).items.map(({ id, online, why }) => [id, online, why]);
      expect(await seen()).toEqual([
        ['dev_hall.fan', false, 'its gateway is not connected to the region'],
        ['dev_hall.pump', false, 'its gateway is not connected to the region'],
      ]);
      await connect(one);
      expect(await seen()).toEqual([
        ['dev_hall.fan', false, 'dark'],
        ['dev_hall.pump', true, null],
      ]);
    });

    test('lists come page by page, each item once', async () => {
      const one = await data.gateway('one', []);
      const names = Array.from({ length: 7 }, (_, at) => `device-${at}`);
      await data.devices(one, ...names);
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await inventory.devices({ limit: 3, cursor });
        seen.push(...page.items.map(({ id }) => id));
        cursor = page.next ?? undefined;
      } while (cursor !== undefined);
      expect(seen).toEqual(names.map((device) => `dev_hall.${device}`));
    });

    test('a device that left its gateway’s list is gone, and back when it returns', async () => {
      const one = await data.gateway('one', [{ point: 'p' }]);
      await data.devices(one, 'pump', 'fan');
      await data.devices(one, 'fan');
      expect(await inventory.device(PUMP)).toBeNull();
      await data.devices(one, 'fan', 'pump');
      expect(await inventory.device(PUMP)).toMatchObject({ id: PUMP });
    });

    test('a device that another gateway of its site takes over is that gateway’s', async () => {
      const one = await data.gateway('one', [{ point: 'p' }]);
      const two = await data.gateway('two', [{ point: 'p' }]);
      await data.devices(one, 'pump');
      await data.devices(two, 'pump');
      await data.devices(one);
      expect(await inventory.device(PUMP)).toMatchObject({ gateway: two });
      expect(await inventory.gatewayOf(PUMP, 'p')).toBe(two);
      expect(await inventory.gatewayOf(PUMP, 'q')).toBeNull();
    });

    test('a point shows its newest value, live or stored, and what it is', async () => {
      const one = await data.gateway('one', [
        { point: 'p', unit: 'bar', label: 'Pressure', class: 'measurement', writable: { range: [0, 10] } },
        { point: 'state', kind: 'text' },
        { point: 'on', kind: 'bool' },
        { point: 'never' },
      ]);
      await data.devices(one, 'pump');
      await data.storeSamples(one, [
        [0, now - 5000, 1],
        [1, now - 5000, 'idle'],
        [2, now - 5000, true, bad('stale')],
      ]);
      expect((await inventory.device(PUMP))?.points).toEqual([
        {
          id: 'p',
          label: 'Pressure',
          unit: 'bar',
          kind: 'float64',
          class: 'measurement',
          writable: { range: [0, 10] },
          v: 1,
          q: 'good',
          why: null,
          tSource: now - 5000,
          tGateway: now - 4995,
        },
        expect.objectContaining({ id: 'state', v: 'idle', unit: null, writable: null, class: null }),
        expect.objectContaining({ id: 'on', v: true, q: 'bad', why: 'stale' }),
        expect.objectContaining({ id: 'never', v: null, q: 'bad', why: 'not-yet-read', tSource: null }),
      ]);
      data.sendLive(one, [
        [0, now, 2],
        [1, now - 9000, 'older'],
      ]);
      const device = await inventory.device(PUMP);
      expect(device?.points.map(({ v }) => v)).toEqual([2, 'idle', true, null]);
      expect(device?.lastValueMs).toBe(now + 5);
    });

    test('a point that got a new number is shown once, by the one in use', async () => {
      const one = await data.gateway('one', [
        { point: 'p', unit: 'bar' },
        { point: 'p', unit: 'psi' },
      ]);
      await data.devices(one, 'pump');
      await data.storeSamples(one, [[1, now - 2000, 14]], [[0, now - 1000, 1]]);
      expect((await inventory.device(PUMP))?.points).toMatchObject([{ id: 'p', unit: 'bar', v: 1 }]);
    });

    test('gaps and events come newest first, by page, time, gateway, device and type', async () => {
      const one = await data.gateway('one', []);
      const two = await data.gateway('two', []);
      for (const [at, gateway] of [one, two, one, two, one].entries()) {
        await data.store.appendEntries(gateway, [
          data.gap(gateway, { reason: 'gateway-down', fromMs: now + at * 10, toMs: now + at * 10 + 5 }),
          data.event(gateway, {
            type: at % 2 === 0 ? 'alarm.raised' : 'command.done',
            atMs: now + at,
            message: `event ${at}`,
            device: at === 0 ? 'pump' : 'fan',
            data: { alarm: `a${at}` },
          }),
        ]);
      }
      const first = await journals.gaps({ limit: 3 });
      expect(first.items.map(({ fromMs }) => fromMs - now)).toEqual([40, 30, 20]);
      const rest = await journals.gaps({ limit: 3, cursor: first.next ?? '' });
      expect(rest.items.map(({ fromMs }) => fromMs - now)).toEqual([10, 0]);
      expect(rest.next).toBeNull();
      expect((await journals.gaps({ limit: 9, gateway: two })).items).toHaveLength(2);
      expect((await journals.gaps({ limit: 9, from: now + 26, to: now + 34 })).items).toHaveLength(1);

      const messages = async (asked: object) =>
        (await journals.events({ limit: 9, ...asked })).items.map(({ message }) => message);
      expect(await messages({})).toEqual(['event 4', 'event 3', 'event 2', 'event 1', 'event 0']);
      expect(await messages({ type: 'alarm' })).toEqual(['event 4', 'event 2', 'event 0']);
      expect(await messages({ type: 'command.done' })).toEqual(['event 3', 'event 1']);
      expect(await messages({ device: PUMP })).toEqual(['event 0']);
      expect(await messages({ from: now + 1, to: now + 2 })).toEqual(['event 2', 'event 1']);
      expect((await journals.events({ limit: 1, device: PUMP })).items[0]).toMatchObject({
        gateway: one,
        device: PUMP,
        atMs: now,
        data: { alarm: 'a0' },
      });
      expect((await journals.alarms({ limit: 9 })).items.map(({ alarm }) => alarm)).toEqual([
        'a4',
        'a2',
        'a0',
      ]);
      await expect(journals.gaps({ limit: 1, cursor: 'nonsense' })).rejects.toMatchObject({
        code: 'CURSOR_INVALID',
      });
    });

    test('the overview counts, and names who is silent for too long', async () => {
      const one = await data.gateway('one', [{ point: 'p' }, { point: 'q', device: 'fan' }]);
      await data.devices(one, 'pump', 'fan', 'new');
      await data.store.upsertDevices(one, [deviceStatus('new', { sinceMs: now })], false);
      await connect(one);
      await data.storeSamples(one, [
        [0, now - 2 * HOUR, 1],
        [1, now, 1],
      ]);
      await data.store.appendEntries(one, [
        data.gap(one, { reason: 'gateway-down', fromMs: now - 30 * HOUR, toMs: now - 26 * HOUR }),
        data.gap(one, { reason: 'gateway-down', fromMs: now - 2 * HOUR, toMs: now - HOUR }),
        data.event(one, { type: 'alarm.raised', data: { alarm: 'hi' } }),
      ]);
      const { clock } = data;
      const rates = new Rates({
        clock,
        count: () => ({ stored: data.store.stats.samples, live: data.live.head }),
      });
      await rates.start();
      await clock.advance(5000);
      data.sendLive(one, [[1, now, 2]]);
      const overview = new Overview(
        { ...data, rates, listeners: () => 3 },
        { region: 'north' as never, silentAfterMs: HOUR },
      );
      expect(await overview.read()).toEqual({
        region: 'north',
        atMs: now + 5000,
        gateways: { total: 1, online: 1 },
        devices: { total: 3, online: 3 },
        points: 2,
        alarmsActive: 1,
        silent: [{ device: PUMP, name: 'The pump', lastValueMs: now - 2 * HOUR + 5 }],
        silentTotal: 1,
        gapsLast24h: 1,
        samplesPerS: 0,
        livePerS: 0.2,
        framesStored: 1,
        samplesStored: 2,
        listeners: 3,
      });
      await rates.stop();
    });
  });
}
