/** How a value is stored. The number is used on wire and disk: append only. */
export const Kind = {
  null: 0,
  float64: 1,
  int64: 2,
  uint64: 3,
  bool: 4,
  text: 5,
} as const;
export type Kind = (typeof Kind)[keyof typeof Kind];
export type KindName = keyof typeof Kind;

/** UTF-16 code units of one text value: a sample with a text of this length always fits a frame. */
export const MAX_TEXT_LENGTH = 8192;

/** A value in the hands of a program. `null` = no value (then the quality says why). */
export type Value = number | bigint | boolean | string | null;

/** A value in JSON: 64-bit integers outside ±2^53 as decimal strings, NaN and infinities by name. */
export type JsonValue = number | boolean | string | null;

export function toJsonValue(value: Value): JsonValue {
  if (typeof value === 'bigint') {
    return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER
      ? Number(value)
      : value.toString();
  }
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  return value;
}

/** One sample as people and APIs see it; the columns of a `SampleBatch` are what machines pass around. */
export interface Sample {
  readonly v: Value;
  readonly q: 'good' | 'uncertain' | 'bad';
  /** Absent when `q` is good. */
  readonly why?: string;
  /** When the device says it was so, epoch ms. */
  readonly tSource: number;
  /** When the gateway received it, epoch ms. */
  readonly tGateway: number;
}
