import type { Value } from '@millwright/protocol';
import type { DataTypeName } from './datatypes.ts';
import { metricValue, type ReceivedMetric, type ReceivedPayload } from './payload.ts';

/** More metrics than this in one birth certificate are not taken. */
const MAX_METRICS = 50_000;

/** A metric's news, by the name its birth gave it. */
export interface MetricNews {
  readonly name: string;
  /** Undefined: it cannot be read. null: there is no value. */
  readonly value: Value | undefined;
  readonly timestampMs: number;
  /** The `Quality` property, when it stands there. */
  readonly quality: number | undefined;
  readonly isHistorical: boolean;
}

/** What one birth certificate said: the names, aliases and types of an edge node's or a device's metrics. */
export class BirthRegister {
  readonly #typeOf = new Map<string, DataTypeName | undefined>();
  readonly #nameOf = new Map<bigint, string>();

  /** Forgets what an earlier birth said. */
  begin(birth: ReceivedPayload): void {
    this.#typeOf.clear();
    this.#nameOf.clear();
    for (const { name, alias, type } of birth.metrics.slice(0, MAX_METRICS)) {
      if (name === undefined) continue;
      this.#typeOf.set(name, type);
      if (alias !== undefined) this.#nameOf.set(alias, name);
    }
  }

  get names(): IterableIterator<string> {
    return this.#typeOf.keys();
  }

  /** How a command is to name this metric; undefined when the birth did not have it. */
  address(
    name: string,
  ): { readonly name?: string; readonly alias?: bigint; readonly type: DataTypeName } | undefined {
    const type = this.#typeOf.get(name);
    if (type === undefined) return undefined;
    for (const [alias, each] of this.#nameOf) if (each === name) return { alias, type };
    return { name, type };
  }

  /** @returns undefined for a metric that no birth has announced */
  read(metric: ReceivedMetric, payloadMs: number): MetricNews | undefined {
    const name = metric.name ?? (metric.alias === undefined ? undefined : this.#nameOf.get(metric.alias));
    if (name === undefined || !this.#typeOf.has(name)) return undefined;
    const type = metric.type ?? this.#typeOf.get(name);
    return {
      name,
      value: metric.isNull ? null : type && metricValue(metric, type),
      timestampMs: metric.timestampMs ?? payloadMs,
      quality: metric.quality,
      isHistorical: metric.isHistorical,
    };
  }
}
