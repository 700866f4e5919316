import type { AggregateSpec, WindowSpec } from '@millwright/protocol/automation';
import { KeptSamples } from './kept-samples.ts';
import { PassingSamples } from './passing-samples.ts';

/** Samples that leave a sliding window are noticed this often in its span, or as soon as another one comes. */
const LOOKS_PER_SPAN = 100;
const LOOK_MIN_MS = 50;
const LOOK_MAX_MS = 1000;

/** Samples looked at together. Times are those of the engine: they never go back. */
export interface SampleWindow {
  add(nowMs: number, value: number): void;
  /** Lets time pass up to `nowMs`. */
  advance(nowMs: number): void;
  /** As of the last `add` or `advance`; NaN = no value. */
  value(): number;
  /** When the value may change with no sample; Infinity = it does not. */
  nextChangeMs(): number;
}

/** @param startMs since when samples are seen: what began before is not whole */
export function createWindow(spec: WindowSpec, of: AggregateSpec, startMs: number): SampleWindow {
  switch (spec.kind) {
    case 'sliding':
      return new SlidingWindow(spec.spanMs, of, spec.samples, startMs);
    case 'tumbling':
      return new TumblingWindow(spec.spanMs, of, spec.samples, startMs);
    case 'session':
      return new SessionWindow(spec.gapMs, of, spec.samples);
    case 'count':
      return new CountWindow(of, spec.samples);
  }
}

class SlidingWindow implements SampleWindow {
  readonly #spanMs: number;
  readonly #isCount: boolean;
  readonly #wholeAtMs: number;
  readonly #kept: KeptSamples;
  #nowMs: number;

  constructor(spanMs: number, of: AggregateSpec, maxSamples: number, startMs: number) {
    this.#spanMs = spanMs;
    this.#isCount = of.kind === 'count';
    this.#wholeAtMs = startMs + spanMs;
    this.#kept = new KeptSamples(of, maxSamples);
    this.#nowMs = startMs;
  }

  add(nowMs: number, value: number): void {
    this.advance(nowMs);
    this.#kept.add(nowMs, value);
  }

  advance(nowMs: number): void {
    this.#nowMs = nowMs;
    const kept = this.#kept;
    while (kept.size > 0 && kept.oldestMs <= nowMs - this.#spanMs) kept.dropOldest();
  }

  value(): number {
    // "Nothing came for ten minutes" can only be said after ten minutes.
    return this.#isCount && this.#nowMs < this.#wholeAtMs ? Number.NaN : this.#kept.value();
  }

  nextChangeMs(): number {
    const wholeMs =
      this.#isCount && this.#nowMs < this.#wholeAtMs ? this.#wholeAtMs : Number.POSITIVE_INFINITY;
    if (this.#kept.size === 0) return wholeMs;
    const lookMs = Math.min(LOOK_MAX_MS, Math.max(LOOK_MIN_MS, this.#spanMs / LOOKS_PER_SPAN));
    return Math.min(wholeMs, Math.max(this.#kept.oldestMs + this.#spanMs, this.#nowMs + lookMs));
  }
}

class TumblingWindow implements SampleWindow {
  readonly #spanMs: number;
  readonly #open: PassingSamples;
  #openFromMs: number;
  /** The span that was under way at the start is not whole. */
  #isWhole: boolean;
  #value = Number.NaN;

  constructor(spanMs: number, of: AggregateSpec, maxSamples: number, startMs: number) {
    this.#spanMs = spanMs;
    this.#open = new PassingSamples(of, maxSamples);
    this.#openFromMs = startMs - modulo(startMs, spanMs);
    this.#isWhole = this.#openFromMs === startMs;
  }

  add(nowMs: number, value: number): void {
    this.advance(nowMs);
    this.#open.add(nowMs, value);
  }

  advance(nowMs: number): void {
    if (nowMs < this.#openFromMs + this.#spanMs) return;
    const fromMs = nowMs - modulo(nowMs, this.#spanMs);
    const isNext = fromMs === this.#openFromMs + this.#spanMs;
    if (!isNext) this.#open.clear();
    this.#value = this.#isWhole || !isNext ? this.#open.value() : Number.NaN;
    this.#open.clear();
    this.#openFromMs = fromMs;
    this.#isWhole = true;
  }

  value(): number {
    return this.#value;
  }

  nextChangeMs(): number {
    return this.#openFromMs + this.#spanMs;
  }
}

class SessionWindow implements SampleWindow {
  readonly #gapMs: number;
  readonly #open: PassingSamples;
  #endsMs = Number.POSITIVE_INFINITY;
  #value = Number.NaN;

  constructor(gapMs: number, of: AggregateSpec, maxSamples: number) {
    this.#gapMs = gapMs;
    this.#open = new PassingSamples(of, maxSamples);
  }

  add(nowMs: number, value: number): void {
    this.advance(nowMs);
    this.#open.add(nowMs, value);
    this.#endsMs = nowMs + this.#gapMs;
  }

  advance(nowMs: number): void {
    if (nowMs < this.#endsMs) return;
    this.#value = this.#open.value();
    this.#open.clear();
    this.#endsMs = Number.POSITIVE_INFINITY;
  }

  value(): number {
    return this.#value;
  }

  nextChangeMs(): number {
    return this.#endsMs;
  }
}

class CountWindow implements SampleWindow {
  readonly #size: number;
  readonly #kept: KeptSamples;

  constructor(of: AggregateSpec, size: number) {
    this.#size = size;
    this.#kept = new KeptSamples(of, size);
  }

  add(nowMs: number, value: number): void {
    this.#kept.add(nowMs, value);
  }

  advance(): void {
    // Only samples move it.
  }

  value(): number {
    return this.#kept.size < this.#size ? Number.NaN : this.#kept.value();
  }

  nextChangeMs(): number {
    return Number.POSITIVE_INFINITY;
  }
}

function modulo(value: number, by: number): number {
  return value - by * Math.floor(value / by);
}
