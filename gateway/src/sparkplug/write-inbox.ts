import { randomUUID } from 'node:crypto';
import { metricValue, type ReceivedMetric, type ReceivedPayload } from '@millwright/device-drivers/sparkplug';
import {
  type Clock,
  type Logger,
  type Principal,
  type Receipt,
  toJsonValue,
  type WriteCommand,
} from '@millwright/protocol';
import type { MetricSlot } from './device-metrics.ts';

/** How old a command may be by its own timestamp; clocks of hosts are seldom this far off. */
const EXPIRES_MS = 5 * 60_000;
/** More writes than this in one message are not taken. */
const MAX_WRITES = 100;

export interface WriteInboxDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly handle: (command: WriteCommand) => Promise<Receipt>;
}

/** Writes that hosts ask for, on their way into the command path, which decides. */
export class WriteInbox {
  readonly #deps: WriteInboxDeps;
  readonly #role: Principal['role'] | undefined;
  readonly #name: string;
  #hasWarned = false;

  constructor(
    deps: WriteInboxDeps,
    config: { readonly role: Principal['role'] | undefined; readonly group: string },
  ) {
    this.#deps = deps;
    this.#role = config.role;
    this.#name = `Sparkplug host of ${config.group}`.slice(0, 100);
  }

  /** @param find the metric of the device that a command names */
  take(payload: ReceivedPayload, find: (metric: ReceivedMetric) => MetricSlot | undefined): void {
    const { clock, logger, handle } = this.#deps;
    if (this.#role === undefined) {
      if (!this.#hasWarned) {
        logger.warn('a Sparkplug host wants to write, but "sparkplug.role" does not say what hosts may do');
      }
      this.#hasWarned = true;
      return;
    }
    const issuedAtMs = payload.timestampMs ?? clock.wallMs();
    for (const metric of payload.metrics.slice(0, MAX_WRITES)) {
      const slot = find(metric);
      const value = slot && metricValue(metric, metric.type ?? slot.type);
      if (slot === undefined || value === undefined || value === null) {
        logger.warn(
          { metric: nameOf(metric) },
          'a Sparkplug host writes what is no metric here, or no value',
        );
        continue;
      }
      void handle({
        id: `spb_${randomUUID()}`,
        device: slot.device,
        point: slot.point,
        value: toJsonValue(value),
        by: { name: this.#name, role: this.#role },
        issuedAtMs,
        expiresAtMs: issuedAtMs + EXPIRES_MS,
      });
    }
  }
}

function nameOf({ name, alias }: ReceivedMetric): string {
  return (name ?? `alias ${alias ?? 'none'}`).slice(0, 200);
}
