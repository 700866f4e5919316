import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Database,
  EmbeddedPostgres,
  installedBinaries,
  type PostgresBinaries,
  PostgresIngestStore,
} from '@millwright/fleet-controller';
import {
  type CatalogEntry,
  DeviceSlug,
  enrolTokenDigest,
  FrameWriter,
  type GatewayId,
  type JournalEntry,
  PointId,
  PointNo,
  SampleBatch,
  SiteId,
} from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node';
import { MemoryLogger } from '@millwright/protocol/testing';
import type { BenchResult } from './result.ts';

export const name = 'region';

const POINTS = 1000;
/** Each point once a second: two hours, as a gateway drains them after an outage. */
const SECONDS = 7200;
/** As many as the uplink stores at once. */
const ENTRIES_PER_COMMIT = 64;
const SITE = SiteId.parse('bench');

/** A gateway's backlog, stored durably in order: frames, roll-ups of four widths and positions, commit after commit. */
export async function run(): Promise<BenchResult[]> {
  const frames = makeFrames();
  const samples = POINTS * SECONDS;
  const [installed] = installedBinaries();
  const embedded = await ingest(frames);
  const results = [
    figure('region.ingest.samplesPerS', samples / embedded, 'samples/s', 'embedded PostgreSQL 18'),
    figure('region.ingest.framesPerS', frames.length / embedded, 'frames/s', 'embedded PostgreSQL 18'),
  ];
  if (installed !== undefined) {
    const debian = await ingest(frames, installed);
    const note = `PostgreSQL of ${installed.bin}`;
    results.push(
      figure('region.ingest.debian.samplesPerS', samples / debian, 'samples/s', note),
      figure('region.ingest.debian.framesPerS', frames.length / debian, 'frames/s', note),
    );
  }
  return results;
}

function figure(key: string, value: number, unit: string, server: string): BenchResult {
  const note = `${server}; ${POINTS} points at 1/s, ${SECONDS / 3600} h, ${ENTRIES_PER_COMMIT} frames a commit`;
  return { key, value: Math.round(value), unit, ...(unit === 'samples/s' ? { target: '≥ 1e6' } : {}), note };
}

/** @returns seconds for all frames, the database's own start excluded */
async function ingest(frames: readonly JournalEntry[], binaries?: PostgresBinaries): Promise<number> {
  const state = await mkdtemp(join(tmpdir(), 'mw-bench-'));
  await chmod(state, 0o755);
  const logger = new MemoryLogger();
  const server = new EmbeddedPostgres(
    { state, database: 'bench', ...(binaries === undefined ? {} : { binaries }) },
    { clock: systemClock, logger },
  );
  try {
    await server.start();
    const database = new Database({ url: server.url }, { logger });
    await database.start();
    const store = new PostgresIngestStore({ clock: systemClock, database });
    const gateway = await enrol(database, store);
    const startedMs = performance.now();
    for (let at = 0; at < frames.length; at += ENTRIES_PER_COMMIT) {
      await store.appendEntries(gateway, frames.slice(at, at + ENTRIES_PER_COMMIT));
    }
    const seconds = (performance.now() - startedMs) / 1000;
    await database.stop();
    return seconds;
  } finally {
    await server.stop();
    await rm(state, { recursive: true, force: true });
  }
}

async function enrol(database: Database, store: PostgresIngestStore): Promise<GatewayId> {
  const token = 'a token of the benchmark';
  await database.write
    .insertInto('enrolment_tokens')
    .values({
      id: 'bench',
      digest: enrolTokenDigest(token),
      site: null,
      created_at_ms: 0,
      created_by: 'bench',
      expires_at_ms: systemClock.wallMs() + 60_000,
      uses: 1,
      uses_left: 1,
    })
    .execute();
  const request = { token, name: 'bench', site: SITE, version: '0', hardware: {} };
  const enrolled = await store.enrol(request, new Uint8Array(32).fill(1));
  if (!enrolled.ok) throw new Error(enrolled.message);
  const lines = Array.from({ length: POINTS }, (_, no): CatalogEntry => {
    return {
      no: PointNo.parse(no),
      device: DeviceSlug.parse(`device-${no % 50}`),
      point: PointId.parse(`point-${no}`),
      kind: 'float64',
      unit: 'bar',
    };
  });
  await store.appendCatalog(enrolled.gateway, 0, lines);
  return enrolled.gateway;
}

/** Slow waves with two decimals, the way sensors report them. */
function makeFrames(): JournalEntry[] {
  const startMs = Date.UTC(2026, 0, 1);
  const frames: JournalEntry[] = [];
  const writer = new FrameWriter();
  const batch = new SampleBatch(POINTS);
  const seal = () => {
    const id = { epoch: 1, seq: frames.length };
    frames.push({ kind: 'frame', ...id, seqEnd: id.seq, bytes: writer.seal(id) });
  };
  for (let second = 0; second < SECONDS; second++) {
    batch.clear();
    for (let no = 0; no < POINTS; no++) {
      const value = Math.round(100 * (50 + 20 * Math.sin(second / (60 + no)) + (no % 7))) / 100;
      batch.pushNumber(PointNo.parse(no), startMs + second * 1000, startMs + second * 1000 + 3, value);
    }
    for (let row = 0; row < batch.length; ) {
      const taken = writer.append(batch, row);
      row += taken;
      if (row < batch.length) seal();
    }
  }
  seal();
  return frames;
}
