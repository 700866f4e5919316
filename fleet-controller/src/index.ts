export { RegionConfig, readRegionConfig } from './config.ts';
export { Directory } from './ingest/directory.ts';
export type { EnrolResult, IngestStore, LiveHub } from './ingest/ports.ts';
export { PostgresIngestStore } from './ingest/postgres-store.ts';
export { LiveValues } from './live/live-values.ts';
export { installedBinaries, type PostgresBinaries } from './postgres/binaries.ts';
export { EmbeddedPostgres, type EmbeddedPostgresOptions } from './postgres/embedded-postgres.ts';
export { Region, type RegionReady } from './region.ts';
export { Database } from './store/database.ts';
