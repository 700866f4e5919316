import crc32c from 'crc-32/crc32c.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvalidInputError } from '../errors.ts';
import { SampleBatch } from '../samples/batch.ts';
import { Kind } from '../samples/value.ts';
import { MAX_FRAME_SAMPLES } from './frame.ts';
import { decodeFrame } from './frame-reader.ts';
import { anyBatch } from './testing/batches.ts';
import { rowsOf } from './testing/rows.ts';
import { readFrame, sealAll } from './testing/seal.ts';

const SEEDS = 500;
const DAMAGED_PER_SEED = 80;
const FORGED_PER_SEED = 120;

/** A small fast generator: fast-check's shrinking is of no use to 100,000 mutations, a printed seed is. */
class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 1;
  }

  below(limit: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % limit;
  }
}

/** Flips, overwrites, cuts, grows, moves or splices bytes from `from` on. */
function mutate(bytes: Uint8Array, other: Uint8Array, dice: Dice, from: number): Uint8Array {
  let mutated = bytes.slice();
  for (let times = 1 + dice.below(4); times > 0; times--) {
    const at = Math.min(mutated.length - 1, from) + dice.below(Math.max(1, mutated.length - from));
    switch (dice.below(6)) {
      case 0:
        mutated[at] = (mutated[at] as number) ^ (1 << dice.below(8));
        break;
      case 1:
        mutated[at] = [0, 1, 127, 128, 255, dice.below(256)][dice.below(6)] as number;
        break;
      case 2:
        mutated = mutated.slice(0, Math.max(from, at));
        break;
      case 3:
        mutated = joined(mutated.subarray(0, at), other.subarray(dice.below(other.length)));
        break;
      case 4:
        mutated.copyWithin(at, Math.max(from, dice.below(mutated.length)), mutated.length);
        break;
      default:
        mutated = joined(mutated.subarray(0, at), new Uint8Array(1 + dice.below(9)).fill(dice.below(256)));
    }
    if (mutated.length === 0) return mutated;
  }
  return mutated;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(Math.min(a.length + b.length, 61_440));
  both.set(a);
  both.set(b.subarray(0, both.length - a.length), a.length);
  return both;
}

/** Makes length and CRC right again, so that what reads the content is attacked. */
function forge(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  view.setUint16(8, bytes.length, true);
  view.setInt32(4, crc32c.buf(bytes.subarray(8), crc32c.buf(bytes.subarray(0, 4))), true);
  return bytes;
}

/** @returns the data, or undefined when it was refused the way it should be */
function readOrRefuse(bytes: Uint8Array): SampleBatch | undefined {
  try {
    return readFrame(bytes);
  } catch (error) {
    if (error instanceof InvalidInputError && error.code === 'FRAME_INVALID') return undefined;
    throw error;
  }
}

describe('a damaged frame', () => {
  const frames = fc
    .sample(anyBatch, { numRuns: SEEDS + 1, seed: 20_260_601 })
    .map((batch) => sealAll(batch)[0] ?? sealAll(smallBatch())[0] ?? new Uint8Array(12));

  it('is refused, or is the frame it was', () => {
    let refused = 0;
    for (let seed = 0; seed < SEEDS; seed++) {
      const bytes = frames[seed] as Uint8Array;
      const dice = new Dice(seed + 1);
      for (let round = 0; round < DAMAGED_PER_SEED; round++) {
        const mutated = mutate(bytes, frames[seed + 1] as Uint8Array, dice, 0);
        const data = readOrRefuse(mutated);
        if (data === undefined) refused++;
        else expect(rowsOf([data]), `seed ${seed} round ${round}`).toEqual(rowsOf([readFrame(bytes)]));
      }
    }
    expect(refused).toBeGreaterThan(0.9 * SEEDS * DAMAGED_PER_SEED);
  });

  it('with a CRC to match is refused, or reads as samples', () => {
    let read = 0;
    for (let seed = 0; seed < SEEDS; seed++) {
      const dice = new Dice(1_000_003 * (seed + 1));
      for (let round = 0; round < FORGED_PER_SEED; round++) {
        const mutated = mutate(frames[seed] as Uint8Array, frames[seed + 1] as Uint8Array, dice, 10);
        const data = readOrRefuse(mutated.length < 12 ? mutated : forge(mutated));
        if (data === undefined) continue;
        read++;
        expect(data.length, `seed ${seed} round ${round}`).toBeLessThanOrEqual(MAX_FRAME_SAMPLES);
        for (let row = 0; row < data.length; row++) {
          const kind = data.kind[row] as number;
          if (kind > Kind.text) expect.fail(`seed ${seed} round ${round}: kind ${kind}`);
          if (kind === Kind.text && typeof data.strings[data.value[row] as number] !== 'string') {
            expect.fail(`seed ${seed} round ${round}: row ${row} has no text`);
          }
        }
      }
    }
    // Most mutations of values read as other values: else the decoder was hardly reached.
    expect(read).toBeGreaterThan(0.05 * SEEDS * FORGED_PER_SEED);
  });

  it('is refused when cut anywhere', () => {
    const bytes = frames[0] as Uint8Array;
    for (let length = 0; length < bytes.length; length++) {
      expect(readOrRefuse(bytes.slice(0, length)), `${length} bytes`).toBeUndefined();
    }
  });

  it('is refused when any one bit of it is wrong', () => {
    const bytes = sealAll(smallBatch())[0] as Uint8Array;
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const mutated = bytes.slice();
      mutated[bit >> 3] = (mutated[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(readOrRefuse(mutated), `bit ${bit}`).toBeUndefined();
    }
  });

  it('with a sample at an instant that is not there is refused', () => {
    const batch = new SampleBatch(1);
    batch.push(1 as never, 1000, 1000, 5);
    const bytes = (sealAll(batch)[0] as Uint8Array).slice();
    const directoryLength = (bytes[10] as number) | ((bytes[11] as number) << 8);
    // The directory ends with the first instant of its only point: width 0, base 0, in zigzag.
    expect([...bytes.slice(directoryLength - 2, directoryLength)]).toEqual([0, 0]);
    bytes[directoryLength - 1] = 2;
    expect(() => readFrame(forge(bytes))).toThrowError(/instant that is not there/);
  });

  it('of a version to come is refused by name', () => {
    const bytes = (sealAll(smallBatch())[0] as Uint8Array).slice();
    bytes[3] = 2;
    expect(() => decodeFrame(forge(bytes))).toThrowError(/version 2 is not known/);
  });
});

function smallBatch(): SampleBatch {
  const batch = new SampleBatch(40);
  for (let row = 0; row < 38; row++) batch.push(1 as never, 1000 * row, 1000 * row + 3, row / 10);
  batch.push(2 as never, 0, 0, 'open');
  batch.push(3 as never, 0, 0, 7n);
  return batch;
}
