import { constants, deflateSync, inflateSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { decodeFrame, FrameWriter, SampleBatch } from '@millwright/protocol';
import { gorillaDecode, gorillaEncode } from './gorilla.ts';
import { batchOf, type Recording } from './recordings.ts';

/** One way to keep a recording. */
export interface Contender {
  readonly name: string;
  /** Prepares what is not part of the work; the result encodes. */
  encoder(recording: Recording): () => readonly Uint8Array[];
  /** Prepares where to decode to; the result decodes. */
  decoder(recording: Recording, parts: readonly Uint8Array[]): () => void;
}

export function framesOf(batch: SampleBatch, writer = new FrameWriter()): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let row = 0; row < batch.length; ) {
    row += writer.append(batch, row);
    parts.push(writer.seal({ epoch: 1, seq: parts.length }));
  }
  return parts;
}

/** From columns in memory to sealed frames, and back into columns. */
const frames: Contender = {
  name: 'frames',
  encoder(recording) {
    const batch = batchOf(recording);
    const writer = new FrameWriter();
    return () => framesOf(batch, writer);
  },
  decoder(_, parts) {
    const most = Math.max(...parts.map((part) => decodeFrame(part).header.sampleCount));
    const into = new SampleBatch(most);
    return () => {
      for (const part of parts) {
        into.clear();
        decodeFrame(part).readAll(into);
      }
    };
  },
};

const gorilla: Contender = {
  name: 'gorilla',
  encoder({ times, columns }) {
    return () => columns.map((values) => gorillaEncode(times, values));
  },
  decoder({ times }, parts) {
    const intoTimes = new Float64Array(times.length);
    const intoValues = new Float64Array(times.length);
    return () => {
      for (const part of parts) gorillaDecode(part, intoTimes, intoValues);
    };
  },
};

/** The times once, then column after column, as doubles: one run, which favours them. */
function raw({ times, columns }: Recording): Uint8Array {
  const bytes = new Float64Array(times.length * (1 + columns.length));
  bytes.set(times);
  columns.forEach((column, index) => {
    bytes.set(column, times.length * (1 + index));
  });
  return new Uint8Array(bytes.buffer);
}

function general(
  name: string,
  pack: (bytes: Uint8Array) => Uint8Array,
  unpack: (bytes: Uint8Array) => Uint8Array,
): Contender {
  return {
    name,
    encoder(recording) {
      const bytes = raw(recording);
      return () => [pack(bytes)];
    },
    decoder(_, parts) {
      return () => {
        for (const part of parts) unpack(part);
      };
    },
  };
}

const zlib9 = general('zlib-9', (bytes) => deflateSync(bytes, { level: 9 }), inflateSync);
const zstd = general(
  'zstd-19',
  (bytes) => zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 19 } }),
  zstdDecompressSync,
);

/** One object per sample, as a message broker sees it. */
const json: Contender = {
  name: 'json',
  encoder({ times, columns }) {
    return () => {
      const samples: { p: number; t: number; v: number }[] = [];
      columns.forEach((values, p) => {
        values.forEach((v, row) => {
          samples.push({ p, t: times[row] as number, v });
        });
      });
      return [new TextEncoder().encode(JSON.stringify(samples))];
    };
  },
  decoder(_, parts) {
    return () => {
      for (const part of parts) JSON.parse(new TextDecoder().decode(part));
    };
  },
};

export const contenders: readonly Contender[] = [frames, gorilla, zlib9, zstd, json];

/** @throws Error when frames or Gorilla do not give back every bit: a size without that means nothing */
export function verify(recording: Recording, byName: ReadonlyMap<string, readonly Uint8Array[]>): void {
  const { times, columns, file } = recording;
  const rows = columns.map(() => 0);
  for (const part of byName.get('frames') ?? []) {
    const frame = decodeFrame(part);
    const into = new SampleBatch(frame.header.sampleCount);
    frame.readAll(into);
    for (let at = 0; at < into.length; at++) {
      const column = into.point[at] as number;
      const row = rows[column] as number;
      rows[column] = row + 1;
      expectSame(file, 'frames', into.tSourceMs[at], times[row]);
      expectSame(file, 'frames', into.value[at], columns[column]?.[row]);
    }
  }
  if (rows.some((row) => row !== times.length)) throw new Error(`${file}: frames lost samples`);
  byName.get('gorilla')?.forEach((part, column) => {
    const readTimes = new Float64Array(times.length);
    const readValues = new Float64Array(times.length);
    gorillaDecode(part, readTimes, readValues);
    for (let row = 0; row < times.length; row++) {
      expectSame(file, 'gorilla', readTimes[row], times[row]);
      expectSame(file, 'gorilla', readValues[row], columns[column]?.[row]);
    }
  });
}

function expectSame(
  file: string,
  name: string,
  found: number | undefined,
  expected: number | undefined,
): void {
  if (!Object.is(found, expected)) throw new Error(`${file}: ${name} read ${found} for ${expected}`);
}
