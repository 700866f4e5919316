import {
  type Clock,
  type GatewayId,
  Kind,
  type Logger,
  qualityOf,
  reasonOf,
  type Sample,
  SampleBatch,
} from '@millwright/protocol';
import type { Directory, SeriesLine } from '../ingest/directory.ts';
import type { LiveHub } from '../ingest/ports.ts';
import { LiveTail } from './live-tail.ts';

/** How far back, in ms, `tail` reaches. */
export const LONGEST_TAIL = 120_000;
const MAX_SLOTS = 500_000;
/** Changes whose order is remembered; who is further behind has to `scan`. */
export const LOG_LENGTH = 8192;

/** A point's newest value with its name. */
export interface NamedValue {
  readonly line: SeriesLine;
  readonly sample: Sample;
}

/**
 * Newest value of every point, in columns, with a count of changes: whoever remembers the count gets what changed
 * since, each point once. That is what makes a stream of values resumable without keeping any past value.
 */
export class LiveValues implements LiveHub {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #directory: Directory;
  readonly #tail = new LiveTail({ keptMs: LONGEST_TAIL });
  readonly #slotsOf = new Map<GatewayId, Int32Array<ArrayBuffer>>();
  readonly #gatewayOf: GatewayId[] = [];
  readonly #connected = new Set<GatewayId>();
  readonly #listeners = new Set<() => void>();
  readonly #log = new Int32Array(LOG_LENGTH);
  #columns = new SampleBatch(1024);
  #changedAt = new Float64Array(1024);
  /** Changes so far. */
  #head = 0;
  #isFull = false;

  constructor(deps: { readonly clock: Clock; readonly logger: Logger; readonly directory: Directory }) {
    this.#clock = deps.clock;
    this.#logger = deps.logger;
    this.#directory = deps.directory;
  }

  /** How many values have come since the start: the cursor of who has seen them all. */
  get head(): number {
    return this.#head;
  }

  get slots(): number {
    return this.#columns.length;
  }

  accept(gateway: GatewayId, batch: SampleBatch): void {
    const nowMs = this.#clock.monotonicMs();
    for (let row = 0; row < batch.length; row++) {
      const slot = this.#slot(gateway, batch.point[row] as number);
      if (slot === undefined) continue;
      this.#set(slot, batch, row);
      this.#head += 1;
      this.#changedAt[slot] = this.#head;
      this.#log[this.#head % LOG_LENGTH] = slot;
      this.#tail.add(slot, batch, row, nowMs);
    }
    if (batch.length > 0) for (const listener of this.#listeners) listener();
  }

  connected(gateway: GatewayId, connected: boolean): void {
    if (connected) this.#connected.add(gateway);
    else this.#connected.delete(gateway);
  }

  /** Gateways with an uplink at this moment, whether or not the database could be told. */
  get connectedGateways(): readonly GatewayId[] {
    return [...this.#connected];
  }

  /** Called after values came. @returns unsubscribe */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  latest(gateway: GatewayId, no: number): Sample | undefined {
    const slot = this.#slotOf(gateway, no);
    return slot === undefined ? undefined : this.#sample(slot);
  }

  /** Appends what came of a point within the last two minutes and lies after `afterMs`, in order of arrival. */
  tail(gateway: GatewayId, no: number, afterMs: number, into: SampleBatch): void {
    const slot = this.#slotOf(gateway, no);
    if (slot !== undefined) this.#tail.read(slot, afterMs, into);
  }

  /** Slots changed after `cursor` (at most 8,192 changes ago), oldest change first, each once at its newest change. */
  *changed(cursor: number): Generator<number> {
    for (let change = cursor + 1; change <= this.#head; change++) {
      const slot = this.#log[change % LOG_LENGTH] as number;
      if (this.#changedAt[slot] === change) yield slot;
    }
  }

  /** @returns the first slot from `slot` on that changed after `cursor` and no later than `until`; undefined = none */
  scan(slot: number, cursor: number, until: number): number | undefined {
    for (let at = slot; at < this.#columns.length; at++) {
      const change = this.#changedAt[at] as number;
      if (change > cursor && change <= until) return at;
    }
    return undefined;
  }

  /** @returns undefined while the catalogue line of the point is not known */
  named(slot: number): NamedValue | undefined {
    const gateway = this.#gatewayOf[slot] as GatewayId;
    const line = this.#directory.peek(gateway)?.lines[this.#columns.point[slot] as number];
    return line === undefined ? undefined : { line, sample: this.#sample(slot) };
  }

  #slotOf(gateway: GatewayId, no: number): number | undefined {
    const slot = this.#slotsOf.get(gateway)?.[no];
    return slot === undefined || slot < 0 ? undefined : slot;
  }

  #slot(gateway: GatewayId, no: number): number | undefined {
    return this.#slotOf(gateway, no) ?? this.#newSlot(gateway, no);
  }

  #newSlot(gateway: GatewayId, no: number): number | undefined {
    const slot = this.#columns.length;
    if (slot === MAX_SLOTS || no >= MAX_SLOTS) {
      if (!this.#isFull) this.#logger.warn(`live values of more than ${MAX_SLOTS} points are not kept`);
      this.#isFull = true;
      return undefined;
    }
    let slots = this.#slotsOf.get(gateway);
    if (slots === undefined || no >= slots.length) {
      const wider = new Int32Array(Math.max(64, 2 * no)).fill(-1);
      if (slots !== undefined) wider.set(slots);
      slots = wider;
      this.#slotsOf.set(gateway, slots);
    }
    slots[no] = slot;
    if (this.#columns.isFull) this.#grow();
    this.#columns.pushNull(no as Parameters<SampleBatch['pushNull']>[0], 0, 0, 0);
    this.#gatewayOf.push(gateway);
    return slot;
  }

  #set(slot: number, batch: SampleBatch, row: number): void {
    const to = this.#columns;
    to.tSourceMs[slot] = batch.tSourceMs[row] as number;
    to.tGatewayMs[slot] = batch.tGatewayMs[row] as number;
    to.kind[slot] = batch.kind[row] as number;
    to.quality[slot] = batch.quality[row] as number;
    if (batch.kind[row] === Kind.text) {
      to.strings[slot] = batch.strings[batch.value[row] as number] ?? '';
      to.value[slot] = slot;
    } else {
      to.words[2 * slot] = batch.words[2 * row] as number;
      to.words[2 * slot + 1] = batch.words[2 * row + 1] as number;
    }
  }

  #sample(slot: number): Sample {
    const { quality, tSourceMs, tGatewayMs } = this.#columns;
    const byte = quality[slot] as number;
    const why = reasonOf(byte);
    return {
      v: this.#columns.valueAt(slot),
      q: qualityOf(byte),
      ...(why === 'none' ? {} : { why }),
      tSource: tSourceMs[slot] as number,
      tGateway: tGatewayMs[slot] as number,
    };
  }

  #grow(): void {
    const from = this.#columns;
    const to = new SampleBatch(2 * from.capacity);
    to.point.set(from.point);
    to.tSourceMs.set(from.tSourceMs);
    to.tGatewayMs.set(from.tGatewayMs);
    to.kind.set(from.kind);
    to.quality.set(from.quality);
    to.words.set(from.words);
    // Only the slots that hold a text.
    Object.assign(to.strings, from.strings);
    to.length = from.length;
    this.#columns = to;
    const changedAt = new Float64Array(2 * from.capacity);
    changedAt.set(this.#changedAt);
    this.#changedAt = changedAt;
  }
}
