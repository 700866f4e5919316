import { z } from 'zod';
import { Bytes } from './bytes.ts';
import { JsonValueSchema } from './json-value.ts';

/** Something that should have been recorded and was not: the fact, and how much of it is known. */
export const GapRecord = z.object({
  reason: z.enum([
    'journal-full',
    'gateway-down',
    'disk-error',
    'journal-reset',
    'driver-restarted',
    'clock-jump',
    // The region had acknowledged it, the journal freed it, and the region no longer holds it.
    'region-lost',
    // The region could not read it and keeps this instead.
    'unreadable',
  ]),
  fromMs: z.number(),
  toMs: z.number(),
  /** Samples known to be lost; absent when nobody can know (the gateway was down). */
  samples: z.int().nonnegative().optional(),
  detail: z.string().max(500).optional(),
});
export type GapRecord = z.infer<typeof GapRecord>;

/** A line of the gateway's event journal: alarms, writes and their receipts, starts and stops. */
export const EventRecord = z.object({
  id: z.string().max(64),
  atMs: z.number(),
  type: z.enum([
    'gateway.started',
    'gateway.stopped',
    'device.online',
    'device.offline',
    'alarm.raised',
    'alarm.cleared',
    'alarm.acknowledged',
    'alarm.shelved',
    'alarm.unshelved',
    'alarm.suppressed',
    'alarm.unsuppressed',
    'alarm.out-of-service',
    'alarm.in-service',
    'alarm.chattering',
    // More alarms in ten minutes than a person can deal with, and the end of it.
    'alarm.flood',
    'alarm.flood-ended',
    'command.accepted',
    'command.done',
    'command.refused',
    'command.unknown',
    // Went through every check and moved nothing.
    'command.dry-run',
    // A rule did what it is there for, could not, or would have too often.
    'rule.fired',
    'rule.failed',
    'rule.limited',
    // Something for a person to decide.
    'item.review',
    'config.changed',
    'config.refused',
    'disk.full',
    'disk.recovered',
    // Something a device told that is neither a value nor an alarm.
    'device.event',
    // Values of a device are missing for a while, or were read from its own history afterwards.
    'device.gap',
  ]),
  device: z.string().max(64).optional(),
  point: z.string().max(128).optional(),
  /** One sentence for people. */
  message: z.string().max(1000),
  data: z.record(z.string(), JsonValueSchema).optional(),
});
export type EventRecord = z.infer<typeof EventRecord>;

/**
 * One entry of a gateway's journal on its way up. Entries are ordered by (epoch, seq) and acknowledged
 * cumulatively, the first `seq` of an epoch being 0. A `gap` with reason `journal-full` or `region-lost` stands for all of
 * `seq … seqEnd`; every other entry has `seqEnd = seq`.
 */
export const JournalEntry = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('frame'),
    epoch: z.int(),
    seq: z.int(),
    seqEnd: z.int(),
    bytes: Bytes,
  }),
  z.object({ kind: z.literal('gap'), epoch: z.int(), seq: z.int(), seqEnd: z.int(), gap: GapRecord }),
  z.object({ kind: z.literal('event'), epoch: z.int(), seq: z.int(), seqEnd: z.int(), event: EventRecord }),
]);
export type JournalEntry = z.infer<typeof JournalEntry>;

/** A place in a gateway's journal: everything up to and including `seq` of `epoch`. */
export const JournalPosition = z.object({ epoch: z.int(), seq: z.int() });
export type JournalPosition = z.infer<typeof JournalPosition>;
