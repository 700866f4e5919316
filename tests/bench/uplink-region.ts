import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Database,
  EmbeddedPostgres,
  EnrolmentTokens,
  type IngestStore,
  MemoryIngestStore,
  PostgresIngestStore,
} from '@millwright/fleet-controller/testing';
import { SiteId } from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node';
import { MemoryLogger } from '@millwright/protocol/testing';
import { RegionEnd } from '../support/uplink-rig.ts';

/** A region in a process of its own, for benchmarks: says where it is, ends when its parent does. */
export interface RegionReady {
  readonly port: number;
  /** One for each gateway. */
  readonly tokens: readonly string[];
}

const TOKENS = 4;
const TTL_MS = 3_600_000;

const stop = process.argv[2] === 'postgres' ? await overPostgres() : await overMemory();
process.once('disconnect', () => {
  void stop().finally(() => process.exit(0));
});

async function overMemory(): Promise<() => Promise<void>> {
  const store = new MemoryIngestStore({ clock: systemClock });
  const region = await RegionEnd.start(store);
  const tokens = Array.from({ length: TOKENS }, () => region.newToken());
  for (const token of tokens) await store.addToken({ token, expiresAtMs: Date.now() + TTL_MS });
  tell({ port: region.port, tokens });
  return () => region.stop();
}

async function overPostgres(): Promise<() => Promise<void>> {
  const state = await mkdtemp(join(tmpdir(), 'bench-'));
  await chmod(state, 0o755);
  const logger = new MemoryLogger();
  const postgres = new EmbeddedPostgres({ state, database: 'region' }, { clock: systemClock, logger });
  await postgres.start();
  const database = new Database({ url: postgres.url }, { logger });
  await database.start();
  const store: IngestStore = new PostgresIngestStore({ clock: systemClock, database });
  const region = await RegionEnd.start(store);
  const issuer = new EnrolmentTokens({ clock: systemClock, database, regionPeer: region.identity.peerId });
  const site = SiteId.parse('north');
  const issue = () => issuer.create({ site, expiresInMs: TTL_MS, uses: 1, createdBy: 'bench' });
  const tokens = await Promise.all(Array.from({ length: TOKENS }, issue));
  tell({ port: region.port, tokens: tokens.map(({ token }) => token) });
  return async () => {
    await region.stop();
    await database.stop();
    await postgres.stop();
    await rm(state, { recursive: true, force: true });
  };
}

function tell(ready: RegionReady): void {
  process.send?.(ready);
}
