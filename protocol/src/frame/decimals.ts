/** Powers of ten that a double holds exactly. */
export const POWERS = Float64Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));
/** The doubles nearest to negative powers of ten: what `raw * 0.01` multiplies with. */
export const INVERSE_POWERS = Float64Array.from({ length: 23 }, (_, exponent) => Number(`1e-${exponent}`));

/** Above this exponent a decimal has more digits than a double. */
export const MAX_EXPONENT = 17;

/** Low three bits of a number column's first byte; the exponent is in the other five. */
export const Scheme = {
  /** value = whole / 10^e: decimals as they were parsed. */
  quotient: 0,
  /** value = whole × 10^−e: raw numbers a driver scaled. */
  product: 1,
  /** value = float32(whole / 10^e): decimals that went through a float32. */
  single: 2,
  /** The bit pattern of a float32, in numerical order. */
  singleBits: 3,
  /** The upper and the lower 32 bits. */
  words: 4,
  /** `quotient`, and how many units in the last place the value is off; other values in full. */
  corrected: 5,
} as const;
export type Scheme = (typeof Scheme)[keyof typeof Scheme];

/** First byte of a number column. */
export function numberForm(scheme: Scheme, exponent: number): number {
  return scheme | (exponent << 3);
}
