import { type PointNo, SampleBatch } from '@millwright/protocol';
import { type Contender, contenders, framesOf, verify } from './codec/contenders.ts';
import { dataFolder, type Recording, recordings } from './codec/recordings.ts';
import type { BenchResult } from './result.ts';

export const name = 'codec';

/** A recording's speed is its best of rounds: what disturbs a round is not the code's. */
const ROUNDS = 25;
const ROUNDS_OF_OTHERS = 3;

interface Sizes {
  readonly recording: Recording;
  readonly samples: number;
  readonly bytes: ReadonlyMap<string, number>;
}

/** Bytes and time per sample of every recording, beside four other ways to keep it. */
export async function run(): Promise<BenchResult[]> {
  const all = recordings();
  if (all.length === 0) {
    console.log(`codec: no recordings at ${dataFolder}; only the made-up plants are measured`);
    return plants();
  }
  const sizes = all.map(measureSizes);
  showSizes(sizes);
  const speeds = contenders.map((contender) => ({ contender, ...measureSpeed(contender, all) }));
  console.table(
    Object.fromEntries(
      speeds.map(({ contender, encode, decode }) => [
        contender.name,
        { 'encode M samples/s': millions(encode), 'decode M samples/s': millions(decode) },
      ]),
    ),
  );
  return [...sizeResults(sizes), ...speedResults(speeds), ...plants()];
}

function measureSizes(recording: Recording): Sizes {
  const parts = new Map(contenders.map((contender) => [contender.name, contender.encoder(recording)()]));
  verify(recording, parts);
  const bytes = new Map(
    [...parts].map(([of, list]) => [of, list.reduce((sum, part) => sum + part.length, 0)]),
  );
  return { recording, samples: recording.times.length * recording.columns.length, bytes };
}

function showSizes(sizes: readonly Sizes[]): void {
  console.log('bytes per sample');
  console.table(
    Object.fromEntries(
      sizes.map(({ recording, samples, bytes }) => [
        `${recording.set}/${recording.file}`,
        {
          samples,
          ...Object.fromEntries([...bytes].map(([of, count]) => [of, Number((count / samples).toFixed(3))])),
          'frames : zlib-9': Number(ratio([{ recording, samples, bytes }], 'zlib-9').toFixed(3)),
        },
      ]),
    ),
  );
}

function sizeResults(sizes: readonly Sizes[]): BenchResult[] {
  const skab = sizes.filter(({ recording }) => recording.set === 'skab');
  const nab = sizes.filter(({ recording }) => recording.set === 'nab');
  const cmapss = sizes.filter(({ recording }) => recording.set === 'cmapss');
  return [
    {
      key: 'codec.skab.bytesPerSample',
      value: bytesPerSample(skab, 'frames'),
      unit: 'bytes',
      target: '≤ 2',
      peer: peers(skab),
      note: `${skab.length} runs of a pump test bed, 8 points a second; the largest: ${worst(skab, perSample)}`,
    },
    {
      key: 'codec.nab.vsZlib9',
      value: ratio(nab, 'zlib-9'),
      unit: 'ratio',
      target: '< 1',
      note: `all ${nab.length} series together; the worst: ${worst(nab, againstZlib)}`,
    },
    {
      key: 'codec.nab.bytesPerSample',
      value: bytesPerSample(nab, 'frames'),
      unit: 'bytes',
      peer: peers(nab),
      note: 'one series a file, many of them with 10 to 17 digits',
    },
    {
      key: 'codec.cmapss.bytesPerSample',
      value: bytesPerSample(cmapss, 'frames'),
      unit: 'bytes',
      peer: peers(cmapss),
      note: 'turbofan runs, 24 points an hour',
    },
    {
      key: 'codec.worst.vsZlib9',
      value: Math.max(...sizes.map((each) => ratio([each], 'zlib-9'))),
      unit: 'ratio',
      target: '< 1',
      note: `the worst of all ${sizes.length} files: ${worst(sizes, againstZlib)}`,
    },
  ];
}

function speedResults(
  speeds: readonly { readonly contender: Contender; readonly encode: number; readonly decode: number }[],
): BenchResult[] {
  const [ours, ...others] = speeds;
  if (ours === undefined) return [];
  const beside = (side: 'encode' | 'decode') =>
    others.map((other) => `${other.contender.name} ${millions(other[side])} M`).join(', ');
  const note = `all recordings, one core, each at its best of ${ROUNDS} rounds`;
  return [
    {
      key: 'codec.encode.samplesPerS',
      value: ours.encode,
      unit: 'samples/s',
      target: '≥ 5e6',
      peer: beside('encode'),
      note: `rows of a batch to sealed frames: ${note}`,
    },
    {
      key: 'codec.decode.samplesPerS',
      value: ours.decode,
      unit: 'samples/s',
      peer: beside('decode'),
      note: `CRC, directory and all columns into a batch: ${note}`,
    },
  ];
}

function measureSpeed(contender: Contender, all: readonly Recording[]): { encode: number; decode: number } {
  const encoders = all.map((recording) => contender.encoder(recording));
  const decoders = all.map((recording, index) => contender.decoder(recording, encoders[index]?.() ?? []));
  const samples = all.reduce((sum, { times, columns }) => sum + times.length * columns.length, 0);
  const rounds = contender.name === 'frames' ? ROUNDS : ROUNDS_OF_OTHERS;
  const best = (work: readonly (() => unknown)[]) => {
    const fastestMs = work.map(() => Number.POSITIVE_INFINITY);
    for (let round = 0; round < rounds; round++) {
      work.forEach((each, index) => {
        const startMs = performance.now();
        each();
        fastestMs[index] = Math.min(fastestMs[index] as number, performance.now() - startMs);
      });
    }
    return (1000 * samples) / fastestMs.reduce((sum, ms) => sum + ms, 0);
  };
  return { encode: best(encoders), decode: best(decoders) };
}

/** What a gateway sends when values wander by small steps with 1 to 3 decimals. */
function plants(): BenchResult[] {
  return [
    plant('codec.plant10.bytesPerSample', 10, 600, 60, '10 points a second, a frame a minute'),
    plant('codec.plant1000.bytesPerSample', 1000, 120, 60, '1,000 points a second'),
    plant(
      'codec.plant10000.bytesPerSample',
      10_000,
      20,
      60,
      '10,000 points a second: two samples a frame each',
    ),
  ];
}

function plant(
  key: string,
  points: number,
  seconds: number,
  frameSeconds: number,
  note: string,
): BenchResult {
  let state = 7;
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const values = Array.from({ length: points }, () => 200 * random());
  const batches: SampleBatch[] = [];
  for (let second = 0; second < seconds; second++) {
    if (second % frameSeconds === 0) batches.push(new SampleBatch(points * frameSeconds));
    for (let point = 0; point < points; point++) {
      const value = (values[point] as number) + random() - 0.5;
      values[point] = value;
      const ms = Date.UTC(2026, 0, 1) + 1000 * second;
      batches.at(-1)?.pushNumber(point as PointNo, ms, ms, Number(value.toFixed(1 + (point % 3))));
    }
  }
  const bytes = batches.flatMap((batch) => framesOf(batch)).reduce((sum, part) => sum + part.length, 0);
  return { key, value: bytes / (points * seconds), unit: 'bytes', note };
}

function total(sizes: readonly Sizes[], of: string): number {
  return sizes.reduce((sum, { bytes }) => sum + (bytes.get(of) ?? 0), 0);
}

function bytesPerSample(sizes: readonly Sizes[], of: string): number {
  return total(sizes, of) / sizes.reduce((sum, { samples }) => sum + samples, 0);
}

function ratio(sizes: readonly Sizes[], to: string): number {
  return total(sizes, 'frames') / total(sizes, to);
}

function perSample(each: Sizes): number {
  return bytesPerSample([each], 'frames');
}

function againstZlib(each: Sizes): number {
  return ratio([each], 'zlib-9');
}

function worst(sizes: readonly Sizes[], by: (each: Sizes) => number): string {
  const [first] = [...sizes].sort((a, b) => by(b) - by(a));
  return first === undefined ? 'none' : `${first.recording.file} ${by(first).toFixed(2)}`;
}

function peers(sizes: readonly Sizes[]): string {
  return contenders
    .filter((contender) => contender.name !== 'frames')
    .map((contender) => `${contender.name} ${bytesPerSample(sizes, contender.name).toFixed(2)}`)
    .join(', ');
}

function millions(perS: number): string {
  return (perS / 1e6).toFixed(1);
}
