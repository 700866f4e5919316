import { growInt32 } from './integers.ts';

/** Points below this number are found by table, others by map. */
const TABLE_LIMIT = 1 << 20;

/** Which slot a point of the frame being filled has. */
export class SlotTable {
  /** Slot plus one by point number. */
  #table = new Int32Array(1024);
  readonly #map = new Map<number, number>();

  /** @returns −1 when the point has none yet */
  slotOf(point: number): number {
    if (point < this.#table.length) return (this.#table[point] as number) - 1;
    return point < TABLE_LIMIT ? -1 : (this.#map.get(point) ?? -1);
  }

  set(point: number, slot: number): void {
    if (point >= TABLE_LIMIT) {
      this.#map.set(point, slot);
      return;
    }
    this.#table = growInt32(this.#table, point + 1, this.#table.length);
    this.#table[point] = slot + 1;
  }

  /** @param points the first `count` of them have slots */
  clear(points: Int32Array, count: number): void {
    for (let index = 0; index < count; index++) {
      const point = points[index] as number;
      if (point < this.#table.length) this.#table[point] = 0;
    }
    this.#map.clear();
  }
}
