import {
  type CatalogEntry,
  DeviceSlug,
  type DeviceStatus,
  type GatewayId,
  gatewayIdOf,
  InvalidInputError,
  type JournalEntry,
  PointId,
  PointNo,
  SiteId,
} from '@millwright/protocol';
import type { MemoryClock } from '@millwright/protocol/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { IngestStore } from './ports.ts';

/** What a store under contract shows of itself. */
export interface StoreFixture {
  readonly store: IngestStore;
  readonly clock: MemoryClock;
  /** Issues a token, as the operator's command does. */
  addToken(token: {
    readonly token: string;
    readonly site?: SiteId;
    readonly expiresAtMs: number;
  }): Promise<void>;
  /** Everything stored of a gateway, by (epoch, seq). */
  entries(gateway: GatewayId): Promise<readonly JournalEntry[]>;
  catalog(gateway: GatewayId): Promise<readonly CatalogEntry[]>;
  /** By device name. */
  devices(gateway: GatewayId): Promise<readonly DeviceStatus[]>;
  connected(gateway: GatewayId): Promise<boolean>;
  /** The same data behind a new store, as after a restart of the region. */
  reopen(): Promise<IngestStore>;
  close(): Promise<void>;
}

/** What the contract needs of the frame codec. */
export type EncodeTestFrame = (frame: {
  readonly epoch: number;
  readonly seq: number;
  /** Source times of the samples in it; point 0. */
  readonly timesMs: readonly number[];
}) => Uint8Array;

const SITE = SiteId.parse('north');
const TOKEN = 'token-of-the-contract-suite';

/**
 * What every `IngestStore` must do, whatever keeps its data.
 * @param open gives an empty store each time
 */
export function describeIngestStore(
  name: string,
  open: () => Promise<StoreFixture>,
  encodeTestFrame: EncodeTestFrame,
): void {
  describe(`ingest store: ${name}`, () => {
    let fixture: StoreFixture;
    let store: IngestStore;

    beforeEach(async () => {
      fixture = await open();
      store = fixture.store;
    });
    afterEach(() => fixture.close());

    const soon = () => fixture.clock.wallMs() + 60_000;
    const request = (overrides: { token?: string; name?: string; site?: string } = {}) => ({
      token: overrides.token ?? TOKEN,
      name: overrides.name ?? 'hall-1',
      site: SiteId.parse(overrides.site ?? SITE),
      version: '0.1.0',
      hardware: { arch: 'arm64' },
    });
    const helloOf = (gateway: GatewayId, epoch = 7) => ({
      type: 'hello' as const,
      gateway,
      name: 'hall-1',
      site: SITE,
      version: '0.1.0',
      startedAtMs: 1_000,
      wallMs: 2_000,
      epoch,
      firstSeq: 0,
      catalogSize: 0,
    });
    const frame = (
      seq: number,
      timesMs: readonly number[] = [500 + seq * 1000],
      epoch = 7,
    ): JournalEntry => ({
      kind: 'frame',
      epoch,
      seq,
      seqEnd: seq,
      bytes: encodeTestFrame({ epoch, seq, timesMs }),
    });
    const event = (seq: number, epoch = 7): JournalEntry => ({
      kind: 'event',
      epoch,
      seq,
      seqEnd: seq,
      event: {
        id: `event-${epoch}-${seq}`,
        atMs: seq,
        type: 'gateway.started',
        message: `event ${seq}`,
        data: { run: seq },
      },
    });
    const gap = (seq: number, seqEnd: number, epoch = 7): JournalEntry => ({
      kind: 'gap',
      epoch,
      seq,
      seqEnd,
      gap: { reason: 'journal-full', fromMs: 100, toMs: 200, samples: 12 },
    });
    async function enrolled(key = publicKey(1), gatewayName = 'hall-1'): Promise<GatewayId> {
      const token = `${TOKEN}-${gatewayName}`;
      await fixture.addToken({ token, expiresAtMs: soon() });
      const result = await store.enrol(request({ token, name: gatewayName }), key);
      if (!result.ok) throw result;
      await store.appendCatalog(result.gateway, 0, [catalogLine(0)]);
      return result.gateway;
    }

    describe('enrolment', () => {
      test('a token enrols one key, whose gateway id follows from it', async () => {
        await fixture.addToken({ token: TOKEN, expiresAtMs: soon() });
        expect(await store.gatewayByKey(publicKey(1))).toBeNull();
        expect(await store.enrol(request(), publicKey(1))).toEqual({
          ok: true,
          gateway: gatewayIdOf(publicKey(1)),
        });
        expect(await store.gatewayByKey(publicKey(1))).toBe(gatewayIdOf(publicKey(1)));
        expect(await store.gatewayByKey(publicKey(2))).toBeNull();
      });

      test('the same key may repeat its enrolment, even once the token is old', async () => {
        await fixture.addToken({ token: TOKEN, expiresAtMs: soon() });
        await store.enrol(request(), publicKey(1));
        await fixture.clock.advance(120_000);
        expect(await store.enrol(request(), publicKey(1))).toMatchObject({ ok: true });
      });

      test('an enrolled key that presents a fresh token does not spend it', async () => {
        const gateway = await enrolled();
        await fixture.addToken({ token: TOKEN, expiresAtMs: soon() });
        expect(await store.enrol(request(), publicKey(1))).toEqual({ ok: true, gateway });
        expect(await store.enrol(request({ name: 'hall-2' }), publicKey(2))).toMatchObject({ ok: true });
      });

      test('a spent token is refused to another key', async () => {
        await fixture.addToken({ token: TOKEN, expiresAtMs: soon() });
        await store.enrol(request(), publicKey(1));
        expect(await store.enrol(request({ name: 'hall-2' }), publicKey(2))).toMatchObject({
          ok: false,
          code: 'TOKEN_USED',
        });
        expect(await store.gatewayByKey(publicKey(2))).toBeNull();
      });

      test('two keys that race for one token: exactly one wins', async () => {
        await fixture.addToken({ token: TOKEN, expiresAtMs: soon() });
        const results = await Promise.all(
          [1, 2, 3, 4].map((n) => store.enrol(request({ name: `hall-${n}` }), publicKey(n))),
        );
        expect(results.filter((result) => result.ok)).toHaveLength(1);
        expect(results.filter((result) => !result.ok && result.code === 'TOKEN_USED')).toHaveLength(3);
      });

      test('an unknown token is refused', async () => {
        expect(await store.enrol(request({ token: 'never issued' }), publicKey(1))).toMatchObject({
          ok: false,
          code: 'TOKEN_UNKNOWN',
        });
      });

      test('an expired token is refused', async () => {
        await fixture.addToken({ token: TOKEN, expiresAtMs: soon() });
        await fixture.clock.advance(60_001);
        expect(await store.enrol(request(), publicKey(1))).toMatchObject({
          ok: false,
          code: 'TOKEN_EXPIRED',
        });
      });

      test('a token of one site is refused at another and stays usable at its own', async () => {
        await fixture.addToken({ token: TOKEN, site: SITE, expiresAtMs: soon() });
        expect(await store.enrol(request({ site: 'south' }), publicKey(1))).toMatchObject({
          ok: false,
          code: 'TOKEN_SITE',
        });
        expect(await store.enrol(request(), publicKey(1))).toMatchObject({ ok: true });
      });

      test('a name that another gateway has is refused and does not spend the token', async () => {
        await enrolled(publicKey(1), 'hall-1');
        await fixture.addToken({ token: TOKEN, expiresAtMs: soon() });
        expect(await store.enrol(request(), publicKey(2))).toMatchObject({ ok: false, code: 'NAME_TAKEN' });
        expect(await store.enrol(request({ name: 'hall-2' }), publicKey(2))).toMatchObject({ ok: true });
      });
    });

    describe('hello', () => {
      test('of a new gateway finds nothing held', async () => {
        await fixture.addToken({ token: TOKEN, expiresAtMs: soon() });
        await store.enrol(request(), publicKey(1));
        expect(await store.hello(helloOf(gatewayIdOf(publicKey(1))))).toEqual({
          acked: null,
          catalogSize: 0,
        });
      });

      test('tells the position within its own epoch, the catalogue size and the newest frame time', async () => {
        const gateway = await enrolled();
        await store.appendEntries(gateway, [frame(0, [5_000, 9_000]), frame(1, [6_000, 7_000]), event(2)]);
        expect(await store.hello(helloOf(gateway))).toEqual({
          acked: { epoch: 7, seq: 2 },
          catalogSize: 1,
          heldUntilMs: 9_000,
        });
        expect(await store.hello(helloOf(gateway, 8))).toEqual({
          acked: null,
          catalogSize: 1,
          heldUntilMs: 9_000,
        });
      });
    });

    describe('catalogue', () => {
      test('grows by what is new and ignores what is held', async () => {
        const gateway = await enrolled();
        await store.appendCatalog(gateway, 1, [catalogLine(1), catalogLine(2)]);
        await store.appendCatalog(gateway, 0, [
          catalogLine(0),
          catalogLine(1),
          catalogLine(2),
          catalogLine(3),
        ]);
        expect(await fixture.catalog(gateway)).toEqual([0, 1, 2, 3].map((no) => catalogLine(no)));
        expect(await store.hello(helloOf(gateway))).toMatchObject({ catalogSize: 4 });
      });

      test('refuses a skipped number', async () => {
        const gateway = await enrolled();
        await expect(store.appendCatalog(gateway, 2, [catalogLine(2)])).rejects.toThrow(InvalidInputError);
        await expect(store.appendCatalog(gateway, 1, [catalogLine(2)])).rejects.toThrow(InvalidInputError);
        expect(await fixture.catalog(gateway)).toHaveLength(1);
      });

      test('refuses a number that means something else now, and keeps nothing of the call', async () => {
        const gateway = await enrolled();
        const changed = { ...catalogLine(0), unit: 'Cel' };
        await expect(store.appendCatalog(gateway, 0, [changed, catalogLine(1)])).rejects.toThrow(
          InvalidInputError,
        );
        expect(await fixture.catalog(gateway)).toEqual([catalogLine(0)]);
      });
    });

    describe('devices', () => {
      test('are upserted, and a complete list removes what it does not name', async () => {
        const gateway = await enrolled();
        await store.upsertDevices(gateway, [device('pump-1', true), device('pump-2', true)], true);
        await store.upsertDevices(gateway, [device('pump-2', false)], false);
        expect(await fixture.devices(gateway)).toEqual([device('pump-1', true), device('pump-2', false)]);
        await store.upsertDevices(gateway, [device('pump-3', true), device('pump-1', true)], true);
        expect(await fixture.devices(gateway)).toEqual([device('pump-1', true), device('pump-3', true)]);
        await store.upsertDevices(gateway, [], true);
        expect(await fixture.devices(gateway)).toEqual([]);
      });
    });

    describe('entries', () => {
      test('are kept in order as they came, and the position follows', async () => {
        const gateway = await enrolled();
        const sent = [frame(0), event(1), gap(2, 8), frame(9)];
        expect(await store.appendEntries(gateway, sent.slice(0, 2))).toEqual({ epoch: 7, seq: 1 });
        expect(await store.appendEntries(gateway, sent.slice(2))).toEqual({ epoch: 7, seq: 9 });
        expect(await fixture.entries(gateway)).toEqual(sent);
      });

      test('sent twice are stored once', async () => {
        const gateway = await enrolled();
        await store.appendEntries(gateway, [frame(0), frame(1)]);
        expect(await store.appendEntries(gateway, [frame(0), frame(1)])).toEqual({ epoch: 7, seq: 1 });
        expect(await store.appendEntries(gateway, [frame(1), frame(2)])).toEqual({ epoch: 7, seq: 2 });
        expect((await fixture.entries(gateway)).map((entry) => entry.seq)).toEqual([0, 1, 2]);
      });

      test('sent by two connections at once are stored once', async () => {
        const gateway = await enrolled();
        const all = Array.from({ length: 40 }, (_, at) => frame(at));
        const positions = await Promise.all([
          store.appendEntries(gateway, all.slice(0, 20)),
          store.appendEntries(gateway, all.slice(0, 20)),
          store.appendEntries(gateway, all.slice(0, 10)),
        ]);
        expect(positions.every((position) => position.seq === 19 || position.seq === 9)).toBe(true);
        expect(await store.appendEntries(gateway, all.slice(15))).toEqual({ epoch: 7, seq: 39 });
        expect((await fixture.entries(gateway)).map((entry) => entry.seq)).toEqual(
          all.map((entry) => entry.seq),
        );
      });

      test('that would leave a hole are refused, and nothing of the call is kept', async () => {
        const gateway = await enrolled();
        await expect(store.appendEntries(gateway, [frame(1)])).rejects.toMatchObject({ code: 'ENTRY_HOLE' });
        await expect(store.appendEntries(gateway, [frame(0), frame(2)])).rejects.toMatchObject({
          code: 'ENTRY_HOLE',
        });
        expect(await fixture.entries(gateway)).toEqual([]);
        expect(await store.hello(helloOf(gateway))).toMatchObject({ acked: null });
      });

      test('of a gap that is held in part: the rest is stored', async () => {
        const gateway = await enrolled();
        await store.appendEntries(gateway, [frame(0), frame(1), frame(2)]);
        expect(await store.appendEntries(gateway, [gap(1, 7)])).toEqual({ epoch: 7, seq: 7 });
        expect(await fixture.entries(gateway)).toEqual([frame(0), frame(1), frame(2), gap(3, 7)]);
      });

      test('that cannot be read are refused, and nothing of the call is kept', async () => {
        const gateway = await enrolled();
        const good = frame(1);
        const unreadable: JournalEntry[] = [
          { kind: 'frame', epoch: 7, seq: 1, seqEnd: 1, bytes: new Uint8Array(0) },
          { kind: 'frame', epoch: 7, seq: 1, seqEnd: 1, bytes: new Uint8Array(100).fill(3) },
        ];
        if (good.kind === 'frame') {
          unreadable.push({ ...good, bytes: good.bytes.slice(0, -3) });
          unreadable.push({ ...good, bytes: good.bytes.map((byte, at) => (at === 9 ? byte ^ 1 : byte)) });
          unreadable.push({ ...good, bytes: encodeTestFrame({ epoch: 7, seq: 99, timesMs: [1] }) });
        }
        for (const entry of unreadable) {
          await expect(store.appendEntries(gateway, [frame(0), entry])).rejects.toThrow(InvalidInputError);
        }
        expect(await fixture.entries(gateway)).toEqual([]);
        expect(await store.appendEntries(gateway, [frame(0), good])).toEqual({ epoch: 7, seq: 1 });
      });

      test('of a new epoch start again at 0 beside the old', async () => {
        const gateway = await enrolled();
        await store.appendEntries(gateway, [frame(0), frame(1)]);
        expect(await store.appendEntries(gateway, [frame(0, [50], 8)])).toEqual({ epoch: 8, seq: 0 });
        expect(await store.hello(helloOf(gateway))).toMatchObject({ acked: { epoch: 7, seq: 1 } });
        expect(await store.hello(helloOf(gateway, 8))).toMatchObject({ acked: { epoch: 8, seq: 0 } });
        expect(await fixture.entries(gateway)).toHaveLength(3);
      });

      test('of two gateways do not mix', async () => {
        const one = await enrolled(publicKey(1), 'hall-1');
        const two = await enrolled(publicKey(2), 'hall-2');
        await store.appendEntries(one, [frame(0), frame(1)]);
        expect(await store.appendEntries(two, [frame(0)])).toEqual({ epoch: 7, seq: 0 });
        expect(await fixture.entries(one)).toHaveLength(2);
        expect(await fixture.entries(two)).toHaveLength(1);
      });
    });

    test('everything is still there after a restart', async () => {
      const gateway = await enrolled();
      await store.upsertDevices(gateway, [device('pump-1', true)], true);
      await store.appendEntries(gateway, [frame(0), event(1)]);
      const again = await fixture.reopen();
      expect(await again.gatewayByKey(publicKey(1))).toBe(gateway);
      expect(await again.hello(helloOf(gateway))).toMatchObject({
        acked: { epoch: 7, seq: 1 },
        catalogSize: 1,
        heldUntilMs: 500,
      });
      expect(await again.appendEntries(gateway, [event(1), frame(2)])).toEqual({ epoch: 7, seq: 2 });
      expect((await fixture.entries(gateway)).map((entry) => entry.seq)).toEqual([0, 1, 2]);
      expect(await fixture.devices(gateway)).toEqual([device('pump-1', true)]);
    });

    test('whether a gateway is connected is kept', async () => {
      const gateway = await enrolled();
      await store.setConnected(gateway, true);
      expect(await fixture.connected(gateway)).toBe(true);
      await store.setConnected(gateway, false);
      expect(await fixture.connected(gateway)).toBe(false);
    });
  });
}

function publicKey(n: number): Uint8Array {
  return new Uint8Array(32).fill(n);
}

function catalogLine(no: number): CatalogEntry {
  return {
    no: PointNo.parse(no),
    device: DeviceSlug.parse('pump-1'),
    point: PointId.parse(`p${no}`),
    kind: 'float64',
    unit: 'bar',
    label: `Point ${no}`,
    class: 'measurement',
    writable: { range: [0, 10] },
  };
}

function device(name: string, online: boolean): DeviceStatus {
  return {
    device: DeviceSlug.parse(name),
    name: `The ${name}`,
    type: 'acme-em3@1',
    driver: 'modbus',
    online,
    ...(online ? {} : { why: 'no answer for 3 polls' }),
    sinceMs: 1_767_225_600_000,
  };
}
