/** OPC's three answers to "may I use this value?". */
export const QUALITIES = ['good', 'uncertain', 'bad'] as const;
export type Quality = (typeof QUALITIES)[number];

/**
 * Why a value is not good. The position is the number on wire and disk: append only.
 */
export const REASONS = [
  'none',
  'timeout',
  'disconnected',
  'device-error',
  'illegal-address',
  'decode-error',
  'out-of-range',
  'stale',
  'sensor-fault',
  'not-yet-read',
  'clock-skew',
  'peer-uncertain',
  'peer-bad',
  'driver-restarted',
  'not-computable',
] as const;
export type Reason = (typeof REASONS)[number];

/** Quality in bits 0–1, reason in bits 2–7. `0` is good. */
export type QualityByte = number;

export const GOOD: QualityByte = 0;

export function qualityByte(quality: Quality, reason: Reason = 'none'): QualityByte {
  return QUALITIES.indexOf(quality) | (REASONS.indexOf(reason) << 2);
}

export function bad(reason: Reason): QualityByte {
  return qualityByte('bad', reason);
}

export function qualityOf(byte: QualityByte): Quality {
  return QUALITIES[byte & 3] ?? 'bad';
}

/** An unknown reason (written by a newer version) reads as `none`. */
export function reasonOf(byte: QualityByte): Reason {
  return REASONS[byte >> 2] ?? 'none';
}
