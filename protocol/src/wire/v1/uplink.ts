import { z } from 'zod';
import { GatewayId, RegionId, SiteId, Slug } from '../../ids.ts';
import { CatalogEntry } from '../../samples/catalog.ts';
import { Bytes } from './bytes.ts';
import { JournalEntry, JournalPosition } from './entry.ts';
import { DeviceStatus } from './inventory.ts';
import { MAX_ITEMS_PER_MESSAGE } from './limits.ts';

/**
 * `/millwright/enrol/1`: one request, one answer. The peer's libp2p identity is the key being enrolled;
 * the token proves that an operator wanted it.
 */
export const EnrolRequest = z.object({
  token: z.string().min(1).max(200),
  name: Slug,
  site: SiteId,
  version: z.string().max(50),
  hardware: z.record(z.string().max(50), z.string().max(200)),
});
export type EnrolRequest = z.infer<typeof EnrolRequest>;

export const EnrolAnswer = z.discriminatedUnion('result', [
  z.object({ result: z.literal('enrolled'), gateway: GatewayId, region: RegionId }),
  z.object({ result: z.literal('refused'), code: z.string().max(50), message: z.string().max(300) }),
]);
export type EnrolAnswer = z.infer<typeof EnrolAnswer>;

/** `/millwright/uplink/1`, gateway → region. `hello` is first; `catalog` precedes the frames that need it. */
export const UplinkUp = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('hello'),
    gateway: GatewayId,
    name: Slug,
    site: SiteId,
    version: z.string().max(50),
    startedAtMs: z.number(),
    wallMs: z.number(),
    /** The journal's current epoch and the first sequence number it still holds. */
    epoch: z.int(),
    firstSeq: z.int(),
    catalogSize: z.int().nonnegative(),
  }),
  /** Entries `from … from + entries.length − 1` of the append-only catalogue. */
  z.object({
    type: z.literal('catalog'),
    from: z.int().nonnegative(),
    entries: z.array(CatalogEntry).max(MAX_ITEMS_PER_MESSAGE),
  }),
  /**
   * Upserts; `complete` marks the last message of a full list, after which unnamed devices are gone. The messages
   * of a full list before the last are `partial`.
   */
  z.object({
    type: z.literal('devices'),
    devices: z.array(DeviceStatus).max(MAX_ITEMS_PER_MESSAGE),
    complete: z.boolean(),
    partial: z.boolean().optional(),
  }),
  z.object({ type: z.literal('entry'), entry: JournalEntry }),
]);
export type UplinkUp = z.infer<typeof UplinkUp>;

/** `/millwright/uplink/1`, region → gateway. */
export const UplinkDown = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('welcome'),
    region: RegionId,
    /** What the region holds durably of this gateway's current epoch; null = nothing. */
    acked: JournalPosition.nullable(),
    /** Newest source time among the frames held of this gateway: from there on a `region-lost` gap counts. */
    heldUntilMs: z.number().optional(),
    catalogSize: z.int().nonnegative(),
    wallMs: z.number(),
  }),
  /** Everything up to and including this position is durable: the gateway may free it. */
  z.object({ type: z.literal('ack'), acked: JournalPosition }),
  z.object({ type: z.literal('refused'), code: z.string().max(50), message: z.string().max(300) }),
]);
export type UplinkDown = z.infer<typeof UplinkDown>;

/** `/millwright/live/1`, gateway → region, best effort: a frame (encoded like the journal's, seq 0) of newest values. */
export const LiveUp = z.object({ type: z.literal('live'), bytes: Bytes });
export type LiveUp = z.infer<typeof LiveUp>;
