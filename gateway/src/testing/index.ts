/** Parts of the gateway that tests of the whole compose on their own, with in-memory twins for what touches the disk. */
export { JournalConfig } from '../journal/config.ts';
export type { Journal } from '../journal/journal.ts';
export { DenoKvFile } from '../journal/kv/deno-kv.ts';
export type { KvFile } from '../journal/kv/kv.ts';
export { MemoryKvFile } from '../journal/kv/memory-kv.ts';
export { KvJournal } from '../journal/kv-journal.ts';
export { SparkplugConfig } from '../sparkplug/config.ts';
export { tokenFile } from '../uplink/enrolment.ts';
export type { CatalogSource, DeviceStatusSource, LiveSource } from '../uplink/ports.ts';
export { Uplink, type UplinkDeps } from '../uplink/uplink.ts';
