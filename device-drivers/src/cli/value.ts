import {
  InvalidInputError,
  type PointId,
  type PointSpec,
  presentationOf,
  type Value,
  valueOfLabel,
} from '@millwright/protocol';

/**
 * What a person typed, as a value of the point and within its range.
 * @throws InvalidInputError `NOT_WRITABLE`, `VALUE_INVALID`, `OUT_OF_RANGE`
 */
export function valueFrom(text: string, id: PointId, spec: PointSpec): Exclude<Value, null> {
  if (spec.write === undefined) {
    throw new InvalidInputError(
      'NOT_WRITABLE',
      `point "${id}" has no "write" block, so it cannot be written`,
    );
  }
  const labelled = valueOfLabel(text, presentationOf(spec));
  if (labelled !== undefined) return labelled;
  const as = 'as' in spec ? spec.as : 'float64';
  if (as === 'text') return text;
  if (as === 'bool') {
    const word = text.toLowerCase();
    if (['true', 'on', '1'].includes(word)) return true;
    if (['false', 'off', '0'].includes(word)) return false;
    throw new InvalidInputError('VALUE_INVALID', `point "${id}" is true or false; got "${text}"`);
  }
  const number = text.trim() === '' ? Number.NaN : Number(text);
  if (!Number.isFinite(number)) {
    throw new InvalidInputError('VALUE_INVALID', `point "${id}" is a number; got "${text}"`);
  }
  const [low, high] = spec.write.range ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  if (number < low || number > high) {
    const unit = spec.unit === undefined ? '' : ` ${spec.unit}`;
    throw new InvalidInputError('OUT_OF_RANGE', `point "${id}" takes ${low} to ${high}${unit}; got ${text}`);
  }
  const whole = (as === 'int64' || as === 'uint64' || as === 'bcd64') && /^-?\d+$/.test(text.trim());
  const scaled = 'scale' in spec && (spec.scale ?? 1) !== 1;
  return whole && !scaled ? BigInt(text.trim()) : number;
}
