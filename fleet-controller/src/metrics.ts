import { Counter, Gauge, Registry } from 'prom-client';
import type { EventStreams } from './events/event-streams.ts';
import type { PostgresIngestStore } from './ingest/postgres-store.ts';
import type { LiveValues } from './live/live-values.ts';

interface Sources {
  readonly region: string;
  readonly store: PostgresIngestStore;
  readonly live: LiveValues;
  readonly streams: EventStreams;
}

/** Counts of this process since its start, in Prometheus' text format. */
export function regionMetrics({ region, store, live, streams }: Sources): () => Promise<string> {
  const registry = new Registry();
  registry.setDefaultLabels({ region });
  const options = (name: string, help: string) => ({
    name: `millwright_region_${name}`,
    help,
    registers: [registry],
  });
  const total = (name: string, help: string, read: () => number) => {
    new Counter({
      ...options(name, help),
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  };
  const value = (name: string, help: string, read: () => number) => {
    new Gauge({
      ...options(name, help),
      collect() {
        this.set(read());
      },
    });
  };
  total('frames_stored_total', 'Frames made durable', () => store.stats.frames);
  total('samples_stored_total', 'Samples made durable', () => store.stats.samples);
  total('events_stored_total', 'Journal events made durable', () => store.stats.events);
  total('gaps_stored_total', 'Gaps made durable', () => store.stats.gaps);
  total('commits_total', 'Transactions that stored entries', () => store.stats.commits);
  total('live_values_total', 'Values seen on the live lane', () => live.head);
  value('live_points', 'Points with a live value', () => live.slots);
  value('gateways_connected', 'Gateways with an uplink', () => live.connectedGateways.length);
  value('event_listeners', 'Open event streams', () => streams.count);
  value('resident_memory_bytes', 'Memory of this process', () => process.memoryUsage.rss());
  return () => registry.metrics();
}
