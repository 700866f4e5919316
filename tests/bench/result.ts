/** One figure. */
export interface BenchResult {
  /** Stable name, such as `codec.skab.bytesPerSample`. */
  readonly key: string;
  readonly value: number;
  readonly unit: string;
  /** What we want it to be, as written in the plan: `≤ 2`, `≥ 5e6`. */
  readonly target?: string;
  /** What others reach, and who. */
  readonly peer?: string;
  readonly note?: string;
}

/** What a `*.bench.ts` exports. */
export interface Benchmark {
  readonly name: string;
  run(): Promise<BenchResult[]>;
}
