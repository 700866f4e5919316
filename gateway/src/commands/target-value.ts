import type { CatalogEntry, JsonValue, PointSpec, Value } from '@millwright/protocol';

const MAX_TEXT_LENGTH = 1000;
/** float32 registers and decimal scales do not give back the very number that was written. */
const ROUNDING = 1e-6;

export type TargetValue =
  | { readonly ok: true; readonly value: Exclude<Value, null> }
  | { readonly ok: false; readonly code: 'VALUE_TYPE' | 'OUT_OF_RANGE'; readonly message: string };

/** Turns what came over the wire into a value of the point's kind, within its range. */
export function targetValueOf(
  wanted: JsonValue,
  kind: CatalogEntry['kind'],
  range: readonly [number, number] | undefined,
): TargetValue {
  switch (kind) {
    case 'bool':
      return typeof wanted === 'boolean' ? { ok: true, value: wanted } : wrongType(wanted, 'true or false');
    case 'text':
      if (typeof wanted !== 'string') return wrongType(wanted, 'a text');
      if (wanted.length > MAX_TEXT_LENGTH)
        return outOfRange(`text has ${wanted.length} characters`, MAX_TEXT_LENGTH);
      return { ok: true, value: wanted };
    case 'float64':
      if (typeof wanted !== 'number' || !Number.isFinite(wanted)) return wrongType(wanted, 'a finite number');
      return inRange(wanted, range);
    case 'int64':
    case 'uint64':
      return integer(wanted, kind, range);
  }
}

/** Whether what the device says now is what was asked for. */
export function isSameValue(wanted: Value, found: Value, tolerance: number): boolean {
  if (typeof wanted === 'bigint' && typeof found === 'bigint' && tolerance === 0) return wanted === found;
  const [a, b] = [asNumber(wanted), asNumber(found)];
  if (a === undefined || b === undefined) return wanted === found;
  return Math.abs(a - b) <= Math.max(tolerance, Math.abs(a) * ROUNDING);
}

/** A scaled integer register can only hold multiples of its scale. */
export function toleranceOf(spec: PointSpec): number {
  const scale = 'scale' in spec && spec.scale !== undefined ? Math.abs(spec.scale) / 2 : 0;
  return Math.max(spec.write?.confirm.tolerance ?? 0, scale);
}

function integer(
  wanted: JsonValue,
  kind: 'int64' | 'uint64',
  range: readonly [number, number] | undefined,
): TargetValue {
  const text = typeof wanted === 'number' ? Number.isSafeInteger(wanted) && String(wanted) : wanted;
  if (typeof text !== 'string' || !/^-?\d{1,20}$/.test(text)) return wrongType(wanted, 'an integer');
  const value = BigInt(text);
  const fits = kind === 'int64' ? BigInt.asIntN(64, value) === value : BigInt.asUintN(64, value) === value;
  if (!fits) return outOfRange(text, kind);
  const checked = inRange(Number(value), range);
  return checked.ok ? { ok: true, value } : checked;
}

function inRange(value: number, range: readonly [number, number] | undefined): TargetValue {
  if (range !== undefined && (value < range[0] || value > range[1])) {
    return outOfRange(String(value), `${range[0]} … ${range[1]}`);
  }
  return { ok: true, value };
}

function wrongType(wanted: JsonValue, expected: string): TargetValue {
  return {
    ok: false,
    code: 'VALUE_TYPE',
    message: `${JSON.stringify(wanted).slice(0, 100)} is not ${expected}`,
  };
}

function outOfRange(what: string, allowed: string | number): TargetValue {
  return { ok: false, code: 'OUT_OF_RANGE', message: `${what} is outside of what is allowed: ${allowed}` };
}

function asNumber(value: Value): number | undefined {
  return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : undefined;
}
