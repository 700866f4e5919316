/** Parts of the region that tests of the whole compose on their own. */
export { EnrolmentTokens } from '../auth/enrolment-tokens.ts';
export { MemoryIngestStore } from '../ingest/memory-store.ts';
export type { IngestStore, LiveHub } from '../ingest/ports.ts';
export { PostgresIngestStore } from '../ingest/postgres-store.ts';
export { EmbeddedPostgres } from '../postgres/embedded-postgres.ts';
export { Database } from '../store/database.ts';
export { UplinkServer } from '../uplink/server.ts';
