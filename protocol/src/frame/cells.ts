/** 8-byte cells as doubles and as pairs of 32-bit words, lower word first; a `SampleBatch` is one. */
export interface Cells {
  readonly value: Float64Array;
  readonly words: Int32Array;
}

export function cells(capacity: number): Cells {
  const buffer = new ArrayBuffer(8 * capacity);
  return { value: new Float64Array(buffer), words: new Int32Array(buffer) };
}
