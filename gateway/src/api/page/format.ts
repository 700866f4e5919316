import type { JsonValue } from '@millwright/protocol';

/** "4 s", "12 min", "3 h 20 min", "5 d 2 h". */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** "12.3 MiB". */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;
  let value = bytes;
  let unit: string = units[0];
  for (const next of units.slice(1)) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return `${value >= 100 || unit === 'B' ? Math.round(value) : value.toFixed(1)} ${unit}`;
}

/** What a person reads of a value: six digits of a number are enough on a page. */
export function formatValue(value: JsonValue): string {
  if (value === null) return '–';
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  if (typeof value === 'string') return value.length > 80 ? `${value.slice(0, 80)}…` : value;
  if (Number.isInteger(value)) return String(value);
  return String(Number(value.toPrecision(6)));
}

/** UCUM codes as people write them. */
export function formatUnit(unit: string): string {
  const known: Readonly<Record<string, string>> = {
    Cel: '°C',
    '[degF]': '°F',
    '/min': 'rpm',
    m3: 'm³',
    'm3/h': 'm³/h',
    'm/s2': 'm/s²',
    'kW.h': 'kWh',
    'W.h': 'Wh',
    'V.A': 'VA',
    'kV.A': 'kVA',
    By: 'B',
    'By/s': 'B/s',
    '1': '',
  };
  return known[unit] ?? unit;
}

export function formatClock(ms: number): string {
  return new Date(ms).toISOString().slice(11, 19);
}
