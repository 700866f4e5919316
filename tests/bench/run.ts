import { fork } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { benchmarksPage, figure, meets, readBenchmarks, withResults } from './report.ts';
import type { Benchmark, BenchResult } from './result.ts';

/**
 * `npm run bench` runs every benchmark but the long ones, `npm run bench -- codec soak` those that are named. Each runs
 * in a process of its own, so that none pays for another's heap.
 */
const root = join(import.meta.dirname, '..', '..');
const jsonFile = join(root, 'docs', 'benchmarks.json');

const files = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.bench.ts'))
  .sort();
const nameOf = (file: string) => file.replace(/(\.long)?\.bench\.ts$/, '');
const isLong = (file: string) => file.endsWith('.long.bench.ts');

const [mode, one] = process.argv.slice(2);
if (mode === '--one' && one !== undefined) await runHere(one);
else await runAll(process.argv.slice(2));

async function runHere(file: string): Promise<void> {
  const benchmark = (await import(join(import.meta.dirname, file))) as Benchmark;
  const results = await benchmark.run();
  await new Promise<void>((resolve) => process.send?.(results, undefined, undefined, () => resolve()));
  process.exit(0);
}

async function runAll(names: readonly string[]): Promise<void> {
  const unknown = names.filter((name) => !files.some((file) => nameOf(file) === name));
  if (unknown.length > 0) {
    console.error(`no benchmark named ${unknown.join(', ')}; there are: ${files.map(nameOf).join(', ')}`);
    process.exit(2);
  }
  const failed: string[] = [];
  for (const file of files.filter((each) =>
    names.length === 0 ? !isLong(each) : names.includes(nameOf(each)),
  )) {
    console.log(`\n== ${nameOf(file)}`);
    const results = await runApart(file).catch((error: unknown) => {
      console.error(error instanceof Error ? error.message : error);
      failed.push(nameOf(file));
      return [];
    });
    show(results);
    const figures = withResults(
      readBenchmarks(jsonFile),
      results,
      `npm run bench -- ${nameOf(file)}`,
      new Date(),
    );
    writeFileSync(jsonFile, `${JSON.stringify(figures, null, 2)}\n`);
    writeFileSync(join(root, 'docs', 'benchmarks.md'), benchmarksPage(figures));
  }
  if (failed.length > 0) {
    console.error(`\nfailed: ${failed.join(', ')}`);
    process.exit(1);
  }
}

function runApart(file: string): Promise<BenchResult[]> {
  return new Promise((resolve, reject) => {
    let results: BenchResult[] | undefined;
    const child = fork(import.meta.filename, ['--one', file], { execArgv: ['--expose-gc'] });
    child.once('message', (message) => {
      results = message as BenchResult[];
    });
    child.once('error', reject);
    child.once('exit', (code) =>
      results === undefined ? reject(new Error(`${file} ended with exit code ${code}`)) : resolve(results),
    );
  });
}

function show(results: readonly BenchResult[]): void {
  console.table(
    Object.fromEntries(
      results.map(({ key, value, unit, target, peer }) => {
        const met = meets(value, target);
        return [
          key,
          {
            value: figure(value),
            unit,
            target: target ?? '',
            met: met === undefined ? '' : met ? 'yes' : 'NO',
            peer: peer ?? '',
          },
        ];
      }),
    ),
  );
}
