import { bad, type EventRecord } from '@millwright/protocol';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { TEST_SERVERS, TestServer } from '../postgres/test-server.fixture.ts';
import { RegionData } from '../region-data.fixture.ts';

const HOUR = 3_600_000;
const T0 = Date.UTC(2026, 2, 1);

for (const { name, binaries } of TEST_SERVERS) {
  describe(`what is derived from entries, on ${name}`, () => {
    let server: TestServer;
    let data: RegionData;
    beforeAll(async () => {
      server = await TestServer.start(binaries);
    }, 60_000);
    afterAll(() => server.stop());
    beforeEach(async () => {
      data = await RegionData.open(await server.newDatabase());
    });
    afterEach(() => data.close());

    async function rollup(table: 'rollup_1m' | 'rollup_15m' | 'rollup_1h' | 'rollup_1d') {
      const { rows } = await sql<Record<string, unknown>>`
        select bucket_ms, min, max, sum, count, bad, last, last_text, last_ms from ${sql.table(table)}
        order by series, bucket_ms`.execute(data.database.read);
      return rows;
    }

    test('roll-ups of all widths follow each frame', async () => {
      const gateway = await data.gateway('one', [{ point: 'p' }]);
      await data.storeSamples(gateway, [
        [0, T0, 1],
        [0, T0 + 30_000, 3],
        [0, T0 + 60_000, 8],
      ]);
      await data.storeSamples(gateway, [[0, T0 + 2 * HOUR, 20, bad('timeout')]]);
      expect(await rollup('rollup_1m')).toMatchObject([
        { bucket_ms: T0, min: 1, max: 3, sum: 4, count: 2, bad: 0, last: 3 },
        { bucket_ms: T0 + 60_000, min: 8, count: 1 },
        { bucket_ms: T0 + 2 * HOUR, min: null, max: null, sum: null, count: 0, bad: 1, last: 20 },
      ]);
      expect(await rollup('rollup_15m')).toMatchObject([
        { sum: 12, count: 3, last: 8 },
        { count: 0, bad: 1 },
      ]);
      expect(await rollup('rollup_1h')).toMatchObject([
        { bucket_ms: T0, sum: 12 },
        { bucket_ms: T0 + 2 * HOUR },
      ]);
      expect(await rollup('rollup_1d')).toMatchObject([
        { bucket_ms: T0, min: 1, max: 8, sum: 12, count: 3, bad: 1 },
      ]);
    });

    test('what comes twice counts once, in one call or in two', async () => {
      const gateway = await data.gateway('one', [{ point: 'p' }]);
      const first = data.frame(gateway, [[0, T0, 5]]);
      const second = data.frame(gateway, [[0, T0 + 1, 7]]);
      await data.store.appendEntries(gateway, [first, first, second]);
      await data.store.appendEntries(gateway, [first, second]);
      expect(await rollup('rollup_1m')).toMatchObject([{ sum: 12, count: 2, min: 5, max: 7 }]);
      const { samples, frames } = await data.database.read
        .selectFrom('gateways')
        .select(['samples', 'frames'])
        .executeTakeFirstOrThrow();
      expect({ samples, frames }).toEqual({ samples: 2, frames: 2 });
    });

    test('a frame that comes late mends its bucket and leaves the newer last value', async () => {
      const gateway = await data.gateway('one', [{ point: 'p' }]);
      await data.storeSamples(gateway, [[0, T0 + 40_000, 5]], [[0, T0 + 10_000, 1]]);
      await data.storeSamples(gateway, [[0, T0 + 20_000, 9]]);
      expect(await rollup('rollup_1m')).toMatchObject([
        { min: 1, max: 9, sum: 15, count: 3, last: 5, last_ms: T0 + 40_000 },
      ]);
    });

    test('a bucket that had no number yet takes the first', async () => {
      const gateway = await data.gateway('one', [{ point: 'p' }]);
      await data.storeSamples(gateway, [[0, T0, null, bad('timeout')]]);
      await data.storeSamples(gateway, [[0, T0 + 1, 4]]);
      await data.storeSamples(gateway, [[0, T0 + 2, null, bad('timeout')]]);
      expect(await rollup('rollup_1m')).toMatchObject([
        { min: 4, max: 4, sum: 4, count: 1, bad: 2, last: null },
      ]);
    });

    test('a refused call leaves nothing behind', async () => {
      const gateway = await data.gateway('one', [{ point: 'p' }]);
      const good = data.frame(gateway, [[0, T0, 5]]);
      const unknown = data.frame(gateway, [[7, T0, 5]]);
      await expect(data.store.appendEntries(gateway, [good, unknown])).rejects.toMatchObject({
        code: 'FRAME_POINT_UNKNOWN',
      });
      expect(await rollup('rollup_1m')).toEqual([]);
      expect(await data.store.appendEntries(gateway, [good])).toEqual({ epoch: 1, seq: 0 });
    });

    test('texts and special numbers come back as they were', async () => {
      const gateway = await data.gateway('one', [
        { point: 'state', kind: 'text' },
        { point: 'count', kind: 'uint64' },
        { point: 'ratio' },
      ]);
      await data.storeSamples(gateway, [
        [0, T0, 'läuft “gut”\0'],
        [1, T0, 2n ** 64n - 1n],
        [2, T0, Number.NEGATIVE_INFINITY],
      ]);
      expect(await rollup('rollup_1m')).toMatchObject([
        { last_text: 'läuft “gut”\ufffd', last: null },
        { last_text: String(2n ** 64n - 1n) },
        { last_text: '-Infinity', count: 0, bad: 1 },
      ]);
    });

    test('the newest value of a device is dated by its gateway', async () => {
      const gateway = await data.gateway('one', [
        { point: 'p', device: 'pump' },
        { point: 'q', device: 'meter' },
      ]);
      await data.devices(gateway, 'pump', 'meter', 'idle');
      await data.storeSamples(gateway, [
        [0, T0, 1],
        [0, T0 + 100, 1],
        [1, T0 + 50, 1],
      ]);
      await data.storeSamples(gateway, [[0, T0 - 5000, 1]]);
      const rows = await data.database.read
        .selectFrom('devices')
        .select(['id', 'last_value_ms'])
        .orderBy('id')
        .execute();
      expect(rows).toEqual([
        { id: 'dev_hall.idle', last_value_ms: null },
        { id: 'dev_hall.meter', last_value_ms: T0 + 55 },
        { id: 'dev_hall.pump', last_value_ms: T0 + 105 },
      ]);
    });

    test('an alarm is active from its raising to its clearing', async () => {
      const gateway = await data.gateway('one', [{ point: 'p' }]);
      const about = { device: 'pump', point: 'p', data: { alarm: 'hi' } };
      const raised = data.event(gateway, { type: 'alarm.raised', ...about, message: 'too hot' });
      const other = data.event(gateway, {
        type: 'alarm.raised',
        message: 'the disk is full',
        data: { alarm: 'disk' },
      });
      await data.store.appendEntries(gateway, [raised, other]);
      const active = () =>
        data.database.read
          .selectFrom('alarms')
          .select(['device_id', 'point', 'alarm', 'message'])
          .orderBy('alarm')
          .execute();
      expect(await active()).toEqual([
        { device_id: '', point: '', alarm: 'disk', message: 'the disk is full' },
        { device_id: 'dev_hall.pump', point: 'p', alarm: 'hi', message: 'too hot' },
      ]);
      await data.store.appendEntries(gateway, [
        data.event(gateway, { type: 'alarm.cleared', ...about }),
        data.event(gateway, { type: 'alarm.raised', ...about, message: 'again' }),
        data.event(gateway, { type: 'alarm.cleared', data: { alarm: 'disk' } }),
      ]);
      expect(await active()).toMatchObject([{ alarm: 'hi', message: 'again' }]);
    });

    test('an alarm stands where its last event left it, with who and why', async () => {
      const gateway = await data.gateway('one', [{ point: 'p' }]);
      const about = { device: 'pump', point: 'p' };
      const told = (type: EventRecord['type'], more: Record<string, string>) =>
        data.event(gateway, {
          type,
          ...about,
          data: { alarm: 'hi', priority: 'high', text: 'too hot', ...more },
        });
      const states = async () =>
        (
          await data.database.read
            .selectFrom('alarms')
            .select(['state', 'priority', 'note', 'message'])
            .execute()
        ).map(({ state, priority, note, message }) => `${state} ${priority} ${note} ${message}`);
      await data.store.appendEntries(gateway, [told('alarm.raised', { state: 'unacknowledged' })]);
      expect(await states()).toEqual(['unacknowledged high null too hot']);
      const shelved = { state: 'shelved', by: 'ann', reason: 'repair' };
      await data.store.appendEntries(gateway, [told('alarm.shelved', shelved)]);
      expect(await states()).toEqual(['shelved high ann: repair too hot']);
      await data.store.appendEntries(gateway, [
        told('alarm.unshelved', { state: 'returned' }),
        told('alarm.chattering', {}),
      ]);
      expect(await states()).toEqual(['returned high null too hot']);
      await data.store.appendEntries(gateway, [told('alarm.acknowledged', { state: 'normal', by: 'ann' })]);
      expect(await states()).toEqual([]);
    });
  });
}
