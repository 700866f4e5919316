import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { z } from 'zod';
import type { BenchResult } from './result.ts';

const Stored = z.object({
  value: z.number(),
  unit: z.string(),
  target: z.string().optional(),
  peer: z.string().optional(),
  note: z.string().optional(),
  command: z.string(),
  machine: z.string(),
  date: z.string(),
});

/** `docs/benchmarks.json`: every figure by its key, with how, where and when it was measured. */
export const BenchmarkFile = z.record(z.string(), Stored);
export type BenchmarkFile = z.infer<typeof BenchmarkFile>;

export function machineText(): string {
  const [cpu] = cpus();
  return `${cpus().length} × ${cpu?.model.trim() ?? 'unknown CPU'}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${process.platform} ${release()}, Node ${process.version}`;
}

export function readBenchmarks(file: string): BenchmarkFile {
  try {
    return BenchmarkFile.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {};
    throw error;
  }
}

export function withResults(
  before: BenchmarkFile,
  results: readonly BenchResult[],
  command: string,
  date: Date,
): BenchmarkFile {
  const machine = machineText();
  const merged = { ...before };
  for (const { key, ...rest } of results)
    merged[key] = { ...rest, command, machine, date: date.toISOString().slice(0, 10) };
  return Object.fromEntries(Object.entries(merged).sort(([a], [b]) => a.localeCompare(b)));
}

/** Whether a figure meets a target such as `≤ 2` or `≥ 5e6`; undefined when the target is words. */
export function meets(value: number, target: string | undefined): boolean | undefined {
  const match = /^(≤|<|≥|>)\s*([\d.]+(?:e\d+)?)/.exec(target ?? '');
  if (match === null) return undefined;
  const bound = Number(match[2]);
  switch (match[1]) {
    case '≤':
      return value <= bound;
    case '<':
      return value < bound;
    case '≥':
      return value >= bound;
    default:
      return value > bound;
  }
}

export function figure(value: number): string {
  return Math.abs(value) >= 1000
    ? Math.round(value).toLocaleString('en')
    : Number(value.toPrecision(3)).toString();
}

/** The page people read. */
export function benchmarksPage(figures: BenchmarkFile): string {
  const byMachine = Object.groupBy(Object.entries(figures), ([, stored]) => stored.machine);
  const sections = Object.entries(byMachine).map(([machine, rows]) =>
    [
      `## ${machine}`,
      '',
      '| key | value | unit | target | met | peer | command | date |',
      '|---|---:|---|---|---|---|---|---|',
      ...(rows ?? []).map(([key, stored]) => {
        const met = meets(stored.value, stored.target);
        const verdict = met === undefined ? '' : met ? 'yes' : '**no**';
        return `| \`${key}\` | ${figure(stored.value)} | ${stored.unit} | ${stored.target ?? ''} | ${verdict} | ${stored.peer ?? ''} | \`${stored.command}\` | ${stored.date} |`;
      }),
      '',
      ...(rows ?? [])
        .filter(([, stored]) => stored.note !== undefined)
        .map(([key, stored]) => `- \`${key}\`: ${stored.note}`),
    ].join('\n'),
  );
  return `# Benchmarks\n\nWritten by \`npm run bench\`; compare ratios, not absolute figures of other machines.\n\n${sections.join('\n\n')}\n`;
}
