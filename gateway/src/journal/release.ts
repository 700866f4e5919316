import { Commit } from './commit.ts';
import { type Head, KEYS, readEntries } from './entries.ts';
import type { Kv } from './kv/kv.ts';

const READ_AT_ONCE = 32;

/**
 * One step of freeing every entry up to and including `seq`, to be committed before it is called again.
 * A gap that reaches beyond `seq` shrinks to what is after it.
 * @returns undefined when nothing is left to free
 */
export async function releaseStep(kv: Kv, head: Head, seq: number): Promise<Commit | undefined> {
  const end = Math.min(seq + 1, head.openSeq);
  if (end <= head.firstSeq) return undefined;
  const rows = await kv.list(KEYS.entries(head.firstSeq, end), { limit: READ_AT_ONCE });
  const commit = new Commit(head);
  let firstSeq = head.firstSeq;
  for (const { entry, sizeBytes } of readEntries(head, rows)) {
    commit.drop(entry.seq, sizeBytes);
    if (entry.seqEnd >= end) commit.put({ ...entry, seq: end });
    firstSeq = Math.min(entry.seqEnd + 1, end);
  }
  commit.change({ firstSeq: rows.length < READ_AT_ONCE ? end : firstSeq });
  return commit;
}
