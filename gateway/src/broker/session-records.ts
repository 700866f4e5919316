import type { PublishPacket } from 'aedes';
import { z } from 'zod';
import { partsOf, recordOf } from './durable-records.ts';

const Qos = z.union([z.literal(0), z.literal(1), z.literal(2)]);
const SessionRecord = z.object({
  clientId: z.string(),
  username: z.string().optional(),
  filters: z.array(z.tuple([z.string(), Qos])),
});
const QueuedRecord = z.object({ session: z.int(), topic: z.string(), qos: Qos, retain: z.boolean() });

/** A remembered session as it is on the disk. */
export interface KeptSession {
  readonly clientId: string;
  readonly username: string | undefined;
  readonly filters: readonly (readonly [string, 0 | 1 | 2])[];
}

export function sessionRecord(session: KeptSession): Uint8Array {
  return recordOf({ ...session }, new Uint8Array());
}

export function readSession(record: Uint8Array): KeptSession | undefined {
  const parsed = SessionRecord.safeParse(partsOf(record)?.head);
  return parsed.success ? { ...parsed.data, username: parsed.data.username } : undefined;
}

/** A message that waits for the session with this number. */
export function queueRecord(session: number, packet: PublishPacket): Uint8Array {
  const { topic, qos, retain, payload } = packet;
  return recordOf({ session, topic, qos, retain }, Buffer.from(payload));
}

export function readQueued(
  record: Uint8Array,
): { readonly session: number; readonly packet: PublishPacket } | undefined {
  const parts = partsOf(record);
  const head = QueuedRecord.safeParse(parts?.head);
  if (parts === undefined || !head.success) return undefined;
  const { session, topic, qos, retain } = head.data;
  return { session, packet: { cmd: 'publish', topic, qos, retain, dup: false, payload: parts.payload } };
}
