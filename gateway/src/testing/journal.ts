/** The journal alone, for processes that are started and killed by the hundred. */
export { JournalConfig } from '../journal/config.ts';
export type { Journal } from '../journal/journal.ts';
export { DenoKvFile } from '../journal/kv/deno-kv.ts';
export { KvJournal } from '../journal/kv-journal.ts';
