import { riceBits } from './bit-pack.ts';
import { bitWidth } from './bytes.ts';
import { growInt32 } from './integers.ts';

const SLOT_BITS = 12;
const SLOTS = 1 << SLOT_BITS;
const MAX_ENTRIES = 1024;
const SAMPLE = 48;

/** Finds out whether a column has few distinct values, and numbers them by how often they occur, commonest first. */
export class IntegerDictionary {
  readonly #values = new Float64Array(SLOTS);
  readonly #uses = new Int32Array(SLOTS);
  readonly #ranks = new Int32Array(SLOTS);
  /** Slots in use, in order of first occurrence. */
  readonly #slots = new Int32Array(MAX_ENTRIES + 1);
  readonly #order = new Float64Array(MAX_ENTRIES + 1);
  #rowSlots = new Int32Array(64);
  size = 0;

  /** @returns the bytes a dictionary form would take, roughly; Infinity when there are too many distinct values */
  analyse(values: Float64Array, count: number): number {
    this.#reset();
    if (count > 2 * SAMPLE) {
      const stride = Math.floor(count / SAMPLE);
      for (let index = 0; index < count; index += stride) this.#slotOf(values[index] as number);
      if (2 * this.size > SAMPLE) return Number.POSITIVE_INFINITY;
      this.#reset();
    }
    const limit = Math.min(MAX_ENTRIES, count >> 1);
    this.#rowSlots = growInt32(this.#rowSlots, count, 0);
    const rowSlots = this.#rowSlots;
    const uses = this.#uses;
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (let index = 0; index < count; index++) {
      const value = values[index] as number;
      const slot = this.#slotOf(value);
      if (this.size > limit) return Number.POSITIVE_INFINITY;
      uses[slot] = (uses[slot] as number) + 1;
      rowSlots[index] = slot;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    const order = this.#order.subarray(0, this.size);
    for (let entry = 0; entry < this.size; entry++) {
      const slot = this.#slots[entry] as number;
      order[entry] = (count - (uses[slot] as number)) * SLOTS + slot;
    }
    order.sort();
    let ranks = 0;
    for (let rank = 0; rank < this.size; rank++) {
      const slot = (order[rank] as number) % SLOTS;
      this.#ranks[slot] = rank;
      ranks += rank * (uses[slot] as number);
    }
    const bits = Math.min(bitWidth(this.size - 1), riceBits(ranks / count));
    return 8 + (this.size * bitWidth(high - low) + count * bits) / 8;
  }

  /** The entries, commonest first, and the entry number of every row of the column analysed last. */
  write(entries: Float64Array, indices: Float64Array, count: number): void {
    for (let rank = 0; rank < this.size; rank++) {
      entries[rank] = this.#values[(this.#order[rank] as number) % SLOTS] as number;
    }
    for (let index = 0; index < count; index++) {
      indices[index] = this.#ranks[this.#rowSlots[index] as number] as number;
    }
  }

  #slotOf(value: number): number {
    const high = (value / 0x1_0000_0000) | 0;
    let slot = Math.imul((value | 0) ^ Math.imul(high, 0x85eb_ca6b), 0x9e37_79b1) >>> (32 - SLOT_BITS);
    while ((this.#ranks[slot] as number) !== 0) {
      if (this.#values[slot] === value) return slot;
      slot = (slot + 1) & (SLOTS - 1);
    }
    this.#ranks[slot] = 1;
    this.#values[slot] = value;
    // One past the limit is let in, for the caller to see.
    if (this.size <= MAX_ENTRIES) this.#slots[this.size++] = slot;
    return slot;
  }

  #reset(): void {
    for (let entry = 0; entry < this.size; entry++) {
      const slot = this.#slots[entry] as number;
      this.#ranks[slot] = 0;
      this.#uses[slot] = 0;
    }
    this.size = 0;
  }
}
