import type { JsonValue } from '../api/types.ts';

/** UCUM codes as people write them; what is not listed is shown as it is. */
const UNIT_SYMBOLS: Readonly<Record<string, string>> = {
  Cel: '°C',
  '[degF]': '°F',
  By: 'B',
  'By/s': 'B/s',
  'm3/h': 'm³/h',
  m3: 'm³',
  m2: 'm²',
  'mm/s': 'mm/s',
  '[ppm]': 'ppm',
  'kW.h': 'kWh',
  'W.h': 'Wh',
  'V.A': 'VA',
  '/min': '1/min',
  '{rpm}': 'rpm',
  deg: '°',
  Ohm: 'Ω',
  uA: 'µA',
};

export function unitSymbol(unit: string | null): string {
  if (unit === null || unit === '1') return '';
  return UNIT_SYMBOLS[unit] ?? unit.replaceAll(/[{}]/g, '');
}

const BYTE_STEPS = ['', 'k', 'M', 'G', 'T'] as const;

/** A value and its unit, as a person reads them. */
export function formatValue(
  value: JsonValue,
  unit: string | null,
): { readonly text: string; readonly unit: string } {
  if (value === null) return { text: '–', unit: '' };
  if (typeof value === 'boolean') return { text: value ? 'on' : 'off', unit: '' };
  if (typeof value === 'string') return { text: value, unit: unitSymbol(unit) };
  if (unit === 'By' || unit === 'By/s') {
    const step = Math.min(
      Math.max(Math.floor(Math.log10(Math.max(Math.abs(value), 1)) / 3), 0),
      BYTE_STEPS.length - 1,
    );
    return { text: significant(value / 1000 ** step), unit: `${BYTE_STEPS[step]}${unitSymbol(unit)}` };
  }
  return { text: significant(value), unit: unitSymbol(unit) };
}

/** Five significant digits: enough to see a change, short enough to read. */
function significant(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return value.toLocaleString();
  const magnitude = Math.abs(value);
  if (magnitude >= 1e9 || (magnitude > 0 && magnitude < 1e-4)) return value.toExponential(3);
  const digits = Math.min(
    Math.max(4 - Math.floor(Math.log10(Math.max(magnitude, 1))), 0),
    magnitude < 1 ? 4 : 3,
  );
  return value.toLocaleString(undefined, {
    minimumFractionDigits: Math.min(digits, 2),
    maximumFractionDigits: digits,
  });
}

const REASONS: Readonly<Record<string, string>> = {
  timeout: 'no answer in time',
  disconnected: 'not connected',
  'device-error': 'the device reports an error',
  'illegal-address': 'the device does not have this address',
  'decode-error': 'the value could not be read',
  'out-of-range': 'outside what the device can measure',
  stale: 'no new value for too long',
  'sensor-fault': 'sensor fault',
  'not-yet-read': 'not read yet',
  'clock-skew': 'the device’s clock is off',
  'peer-uncertain': 'the source says uncertain',
  'peer-bad': 'the source says bad',
  'driver-restarted': 'the driver was restarted',
  'not-computable': 'it cannot be worked out',
};

export const reasonText = (why: string | undefined | null): string =>
  why == null ? '' : (REASONS[why] ?? why);
