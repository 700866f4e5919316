import ucum from '@lhncbc/ucum-lhc';
import { z } from 'zod';

/** What people write, and what UCUM calls it. */
const COMMON: Readonly<Record<string, string>> = {
  Wh: 'W.h',
  kWh: 'kW.h',
  MWh: 'MW.h',
  VA: 'V.A',
  kVA: 'kV.A',
  '°C': 'Cel',
  '°F': '[degF]',
  degF: '[degF]',
  degC: 'Cel',
  psi: '[psi]',
  rpm: '/min',
  'm³': 'm3',
  'm³/h': 'm3/h',
};

/** Units of most machines. With these alone the library is never asked: its first answer costs 5 MB for good. */
export const EVERYDAY_UNITS = [
  ...['%', '1', '[ppm]', 's', 'h', 'm', 'mm/s', 'm3/h', '/min', '{rev}/min', 'Hz', 'bar', 'Pa', 'Cel'],
  ...['V', 'A', 'W', 'kW', 'kW.h', 'V.A', 'kV.A', 'By', 'By/s'],
] as const;

/** Codes found valid: ten thousand points have a dozen units, and parsing one takes a while. */
const known = new Set<string>(EVERYDAY_UNITS);
const MAX_KNOWN = 1000;

/** A UCUM code, case-sensitive: `kW`, `Cel`, `m3/h`, `%`. */
export const UnitCode = z
  .string()
  .max(64)
  .superRefine((code, context) => {
    if (known.has(code)) return;
    const answer = ucum.UcumLhcUtils.getInstance().validateUnitString(code, true);
    if (answer.status === 'valid' && code === code.trim()) {
      if (known.size < MAX_KNOWN) known.add(code);
      return;
    }
    const common = code === code.trim() ? COMMON[code] : code.trim();
    const near =
      common !== undefined
        ? [common]
        : (answer.suggestions?.flatMap((s) => s.units.map((unit) => unit[0])).slice(0, 3) ?? []);
    const hint = near.length > 0 ? `; did you mean ${near.map((unit) => `"${unit}"`).join(' or ')}?` : '';
    context.addIssue({ code: 'custom', message: `"${code}" is not a UCUM unit${hint}` });
  });

/** A unit to show values in: a UCUM code, or one of the words people write for it, such as `°F` or `kWh`. */
export const DisplayUnit = z
  .string()
  .max(64)
  .refine((text) => Object.hasOwn(COMMON, text) || UnitCode.safeParse(text).success, 'must be a unit');

/** `shown = stored × factor + offset`. */
export interface UnitConversion {
  readonly factor: number;
  readonly offset: number;
}

/** @returns null when the units do not measure the same thing, or not on scales that differ by factor and offset alone */
export function unitConversion(from: string, to: string): UnitConversion | null {
  const [a, b] = [COMMON[from] ?? from, COMMON[to] ?? to];
  const [zero, one, many] = [0, 1, 1000].map((value) => convertUnit(value, a, b));
  if (typeof zero !== 'number' || typeof one !== 'number' || typeof many !== 'number') return null;
  const offset = tidy(zero);
  const factor = tidy((many - zero) / 1000);
  const isLinear = Math.abs(one - zero - factor) <= 1e-6 * Math.abs(factor);
  return isLinear && Number.isFinite(factor) && factor !== 0 ? { factor, offset } : null;
}

/** The library's sums end in noise: 1.7999999999999998 is 1.8, and what is nearly 1/3600 is just that. */
function tidy(value: number): number {
  const parts = Math.round(1 / value);
  const isPart = parts !== 0 && Math.abs(value * parts - 1) < 1e-12;
  return isPart ? 1 / parts : Number(value.toPrecision(13));
}

/** @returns `value` in unit `to`, or null when the units do not measure the same thing */
export function convertUnit(value: number, from: string, to: string): number | null {
  if (from === to) return value;
  return ucum.UcumLhcUtils.getInstance().convertUnitTo(from, value, to).toVal;
}
