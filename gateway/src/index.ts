export { type GatewayConfig, readGatewayConfig } from './config.ts';
export { Gateway, type GatewayAddresses, type GatewayDeps, type GatewayOptions } from './gateway.ts';
export { JournalConfig } from './journal/config.ts';
export type { Journal, JournalStats } from './journal/journal.ts';
export { DenoKvFile } from './journal/kv/deno-kv.ts';
export type { Kv, KvEntry, KvFile, KvKey, KvMutation, KvRange, KvValue } from './journal/kv/kv.ts';
export { MemoryKvFile } from './journal/kv/memory-kv.ts';
export { KvJournal, type KvJournalDeps } from './journal/kv-journal.ts';
export { readSite } from './site.ts';
