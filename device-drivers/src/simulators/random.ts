import { crc32 } from 'node:zlib';
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';

/** Seeded randomness. Streams of one seed are independent: a new signal does not change the others. */
export class Random {
  readonly #generator: RandomGenerator;
  #spare: number | undefined;

  constructor(seed: number, stream: string) {
    this.#generator = xoroshiro128plus(crc32(`${seed}/${stream}`));
  }

  /** from ≤ n < to */
  uniform(from = 0, to = 1): number {
    return from + (to - from) * uniformFloat64(this.#generator);
  }

  /** Mean 0, standard deviation 1. Box and Muller's transform makes two at a time. */
  normal(): number {
    if (this.#spare !== undefined) {
      const spare = this.#spare;
      this.#spare = undefined;
      return spare;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    const angle = 2 * Math.PI * this.uniform();
    this.#spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** Time to the next of events that come at random, `mean` apart. */
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.uniform());
  }

  chance(probability: number): boolean {
    return this.uniform() < probability;
  }
}

/** A value that wanders and is drawn back to 0: weather, load, mains frequency. (Ornstein and Uhlenbeck.) */
export class Wander {
  readonly #random: Random;
  readonly #deviation: number;
  readonly #timeS: number;
  value = 0;

  /** @param options.deviation of the value in the long run; `timeS`: how long it remembers */
  constructor(random: Random, options: { readonly deviation: number; readonly timeS: number }) {
    this.#random = random;
    this.#deviation = options.deviation;
    this.#timeS = options.timeS;
  }

  advance(dtS: number): number {
    const keep = Math.exp(-dtS / this.#timeS);
    this.value = keep * this.value + this.#deviation * Math.sqrt(1 - keep * keep) * this.#random.normal();
    return this.value;
  }
}
