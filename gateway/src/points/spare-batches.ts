import { SampleBatch } from '@millwright/protocol';

const MIN_ROWS = 256;
const MAX_SPARE_ROWS = 16_384;
const MAX_SPARE = 4;

/** Batches that are used again. */
export class SpareBatches {
  readonly #spare: SampleBatch[] = [];

  borrow(rows: number): SampleBatch {
    const spare = this.#spare.findIndex(({ capacity }) => capacity >= rows);
    const [found] = spare >= 0 ? this.#spare.splice(spare, 1) : [];
    return found ?? new SampleBatch(Math.max(MIN_ROWS, rows));
  }

  giveBack(batch: SampleBatch): void {
    batch.clear();
    if (this.#spare.length < MAX_SPARE && batch.capacity <= MAX_SPARE_ROWS) this.#spare.push(batch);
  }
}
