import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, Registry } from 'prom-client';
import type { ApiSources } from './sources.ts';

const RESOLUTION_MS = 50;

interface Reading {
  readonly value: number;
  readonly labels?: Readonly<Record<string, string>>;
}

/** The gateway in numbers, for Prometheus. Everything is read when it is asked for. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly contentType: string = this.#registry.contentType;

  constructor(deps: { readonly sources: ApiSources }) {
    const { sources } = deps;
    const { facts, points, journal, devices, alarms } = sources;
    this.#gauge('millwright_gateway_info', 'The gateway, in labels', () => ({
      value: 1,
      labels: { gateway: facts.gateway, name: facts.name, site: facts.site, version: facts.version },
    }));
    this.#counter('millwright_samples_received_total', 'Samples from drivers', () => points.counts.received);
    this.#counter('millwright_samples_reported_total', 'Samples passed on', () => points.counts.reported);
    this.#counter(
      'millwright_samples_unknown_total',
      'Samples of unknown points',
      () => points.counts.unknown,
    );
    this.#gauge('millwright_journal_bytes', 'Journal on disk', () => journal.stats().bytes);
    this.#gauge('millwright_journal_max_bytes', 'Bound of the journal', () => journal.stats().maxBytes);
    this.#gauge('millwright_journal_entries', 'Entries held', () => journal.stats().entries);
    this.#gauge(
      'millwright_journal_pending_samples',
      'Samples not on disk yet',
      () => journal.stats().pendingSamples,
    );
    this.#counter(
      'millwright_journal_dropped_samples_total',
      'Samples lost',
      () => journal.stats().droppedSamples,
    );
    this.#gauge('millwright_journal_fault', '1 while the disk cannot be written', () =>
      journal.stats().fault === undefined ? 0 : 1,
    );
    this.#uplink(sources);
    this.#broker(sources);
    this.#bridges(sources);
    this.#gauge('millwright_device_online', '1 while the device answers', () =>
      devices
        .statuses()
        .map(({ device, driver, online }) => ({ value: online ? 1 : 0, labels: { device, driver } })),
    );
    this.#gauge('millwright_alarms_active', 'Active alarms', () =>
      (['low', 'medium', 'high', 'critical'] as const).map((priority) => ({
        value: alarms.active().filter((alarm) => alarm.priority === priority).length,
        labels: { priority },
      })),
    );
    this.#rules(sources);
    this.#process();
  }

  /** Begins to measure the event loop. */
  start(): void {
    this.#delay.enable();
  }

  stop(): void {
    this.#delay.disable();
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  #uplink({ uplink }: ApiSources): void {
    if (uplink === undefined) return;
    this.#gauge('millwright_uplink_connected', '1 while a region is connected', () =>
      uplink.state.state === 'connected' ? 1 : 0,
    );
    this.#gauge(
      'millwright_uplink_lag_entries',
      'Entries the region has not acknowledged',
      () => uplink.counters.lagEntries,
    );
    this.#counter('millwright_uplink_entries_total', 'Entries sent', () => uplink.counters.entriesSent);
    this.#counter(
      'millwright_uplink_bytes_total',
      'Bytes of entries sent',
      () => uplink.counters.entryBytesSent,
    );
  }

  #broker({ broker }: ApiSources): void {
    if (broker === undefined) return;
    this.#gauge('millwright_broker_clients', 'Connected MQTT clients', () => broker.stats().clients);
    this.#gauge('millwright_broker_connections', 'Open TCP connections', () => broker.stats().connections);
    this.#gauge('millwright_broker_retained_messages', 'Retained messages', () => broker.stats().retained);
    this.#gauge('millwright_broker_sessions', 'Sessions remembered', () => broker.stats().sessions);
    this.#counter(
      'millwright_broker_messages_total',
      'Messages from clients',
      () => broker.stats().messagesIn,
    );
    this.#counter(
      'millwright_broker_bytes_total',
      'Payload bytes from clients',
      () => broker.stats().bytesIn,
    );
    this.#counter(
      'millwright_broker_dropped_total',
      'Messages not queued for absent clients',
      () => broker.stats().dropped,
    );
    this.#counter('millwright_broker_offences_total', 'Refusals and disconnections by reason', () =>
      [...broker.stats().offences].map(([code, value]) => ({ value, labels: { code } })),
    );
  }

  #rules({ rules }: ApiSources): void {
    if (rules === undefined) return;
    const counts = () => rules.counts() ?? { rules: 0, evaluations: 0, firings: 0, errors: 0 };
    this.#gauge('millwright_rules', 'Rules at work', () => counts().rules);
    this.#counter('millwright_rule_evaluations_total', 'Conditions looked at', () => counts().evaluations);
    this.#counter('millwright_rule_firings_total', 'Rules that fired', () => counts().firings);
    this.#counter('millwright_rule_errors_total', 'Actions that failed', () => counts().errors);
  }

  #bridges({ bridges }: ApiSources): void {
    if (bridges === undefined) return;
    type Bridge = ReturnType<typeof bridges.stats>[number];
    const of = (read: (bridge: Bridge) => number) => () =>
      bridges.stats().map((bridge) => ({ value: read(bridge), labels: { bridge: bridge.name } }));
    this.#gauge(
      'millwright_bridge_connected',
      '1 while the other broker is connected',
      of(({ connected }) => Number(connected)),
    );
    this.#gauge(
      'millwright_bridge_queued_messages',
      'Messages that wait for the other broker',
      of(({ queued }) => queued),
    );
    this.#gauge(
      'millwright_bridge_queued_bytes',
      'Bytes of them',
      of(({ queuedBytes }) => queuedBytes),
    );
    this.#counter(
      'millwright_bridge_sent_total',
      'Messages carried out',
      of(({ sent }) => sent),
    );
    this.#counter(
      'millwright_bridge_received_total',
      'Messages carried in',
      of(({ received }) => received),
    );
    this.#counter(
      'millwright_bridge_dropped_total',
      'Messages not carried',
      of(({ dropped }) => dropped),
    );
  }

  #process(): void {
    this.#gauge('process_resident_memory_bytes', 'Resident memory', () => process.memoryUsage.rss());
    this.#gauge('process_start_time_seconds', 'Start, epoch seconds', () => performance.timeOrigin / 1000);
    this.#counter('process_cpu_seconds_total', 'User and system time', () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    });
    this.#gauge('millwright_event_loop_lag_seconds', 'How late timers fired since the last reading', () => {
      const seconds = (ns: number) => Math.max(0, ns / 1e9 - RESOLUTION_MS / 1000);
      const readings = [
        { value: seconds(this.#delay.percentile(50)), labels: { quantile: '0.5' } },
        { value: seconds(this.#delay.percentile(99)), labels: { quantile: '0.99' } },
        { value: seconds(this.#delay.max), labels: { quantile: '1' } },
      ];
      this.#delay.reset();
      return readings;
    });
  }

  #gauge(name: string, help: string, read: () => number | Reading | readonly Reading[]): void {
    const registers = [this.#registry];
    const gauge: Gauge = new Gauge({
      name,
      help,
      registers,
      labelNames: LABELS[name] ?? [],
      collect: () => {
        gauge.reset();
        for (const { value, labels = {} } of readingsOf(read())) gauge.set(labels, value);
      },
    });
  }

  #counter(name: string, help: string, read: () => number | Reading | readonly Reading[]): void {
    const registers = [this.#registry];
    const counter: Counter = new Counter({
      name,
      help,
      registers,
      labelNames: LABELS[name] ?? [],
      collect: () => {
        counter.reset();
        for (const { value, labels = {} } of readingsOf(read())) counter.inc(labels, value);
      },
    });
  }
}

const LABELS: Readonly<Record<string, string[]>> = {
  millwright_gateway_info: ['gateway', 'name', 'site', 'version'],
  millwright_device_online: ['device', 'driver'],
  millwright_alarms_active: ['priority'],
  millwright_broker_offences_total: ['code'],
  ...Object.fromEntries(
    ['connected', 'queued_messages', 'queued_bytes', 'sent_total', 'received_total', 'dropped_total'].map(
      (name) => [`millwright_bridge_${name}`, ['bridge']],
    ),
  ),
  millwright_event_loop_lag_seconds: ['quantile'],
};

function readingsOf(reading: number | Reading | readonly Reading[]): readonly Reading[] {
  if (typeof reading === 'number') return [{ value: reading }];
  return 'value' in reading ? [reading] : reading;
}
