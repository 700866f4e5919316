import { Gauge, Registry } from 'prom-client';
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
  const value = (name: string, help: string, read: () => number) => {
    new Gauge({
      name: `millwright_region_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  };
  value('frames_stored_total', 'Frames made durable', () => store.stats.frames);
  value('samples_stored_total', 'Samples made durable', () => store.stats.samples);
  value('events_stored_total', 'Journal events made durable', () => store.stats.events);
  value('gaps_stored_total', 'Gaps made durable', () => store.stats.gaps);
  value('commits_total', 'Transactions that stored entries', () => store.stats.commits);
  value('live_values_total', 'Values seen on the live lane', () => live.head);
  value('live_points', 'Points with a live value', () => live.slots);
  value('gateways_connected', 'Gateways with an uplink', () => live.connectedGateways.length);
  value('event_listeners', 'Open event streams', () => streams.count);
  value('resident_memory_bytes', 'Memory of this process', () => process.memoryUsage.rss());
  return () => registry.metrics();
}
