/** What Home Assistant calls a UCUM unit, and the device class of what is measured in it. */
export interface HomeAssistantUnit {
  readonly unit: string;
  /** Of a momentary value; a counter may have another one. */
  readonly measured?: string;
  /** Of a value that only adds up. */
  readonly counted?: string;
}

const both = (name: string) => ({ measured: name, counted: name });
const only = (measured: string) => ({ measured });
const energy = { counted: 'energy' } as const;
const volume = { measured: 'volume_storage', counted: 'volume' } as const;

/** @see https://www.home-assistant.io/integrations/sensor/#device-class */
const UNITS: Readonly<Record<string, HomeAssistantUnit>> = {
  Cel: { unit: '°C', ...only('temperature') },
  '[degF]': { unit: '°F', ...only('temperature') },
  K: { unit: 'K', ...only('temperature') },
  '%': { unit: '%' },
  V: { unit: 'V', ...only('voltage') },
  mV: { unit: 'mV', ...only('voltage') },
  kV: { unit: 'kV', ...only('voltage') },
  A: { unit: 'A', ...only('current') },
  mA: { unit: 'mA', ...only('current') },
  W: { unit: 'W', ...only('power') },
  mW: { unit: 'mW', ...only('power') },
  kW: { unit: 'kW', ...only('power') },
  MW: { unit: 'MW', ...only('power') },
  'W.h': { unit: 'Wh', ...energy },
  'kW.h': { unit: 'kWh', ...energy },
  'MW.h': { unit: 'MWh', ...energy },
  J: { unit: 'J', ...energy },
  kJ: { unit: 'kJ', ...energy },
  MJ: { unit: 'MJ', ...energy },
  GJ: { unit: 'GJ', ...energy },
  'V.A': { unit: 'VA', ...only('apparent_power') },
  'kV.A': { unit: 'kVA', ...only('apparent_power') },
  Hz: { unit: 'Hz', ...only('frequency') },
  kHz: { unit: 'kHz', ...only('frequency') },
  MHz: { unit: 'MHz', ...only('frequency') },
  bar: { unit: 'bar', ...only('pressure') },
  mbar: { unit: 'mbar', ...only('pressure') },
  Pa: { unit: 'Pa', ...only('pressure') },
  hPa: { unit: 'hPa', ...only('pressure') },
  kPa: { unit: 'kPa', ...only('pressure') },
  '[psi]': { unit: 'psi', ...only('pressure') },
  m3: { unit: 'm³', ...volume },
  L: { unit: 'L', ...volume },
  l: { unit: 'L', ...volume },
  mL: { unit: 'mL', ...volume },
  'm3/h': { unit: 'm³/h', ...only('volume_flow_rate') },
  'm3/s': { unit: 'm³/s', ...only('volume_flow_rate') },
  'L/h': { unit: 'L/h', ...only('volume_flow_rate') },
  'L/min': { unit: 'L/min', ...only('volume_flow_rate') },
  'l/min': { unit: 'L/min', ...only('volume_flow_rate') },
  'L/s': { unit: 'L/s', ...only('volume_flow_rate') },
  'l/s': { unit: 'L/s', ...only('volume_flow_rate') },
  ms: { unit: 'ms', ...both('duration') },
  s: { unit: 's', ...both('duration') },
  min: { unit: 'min', ...both('duration') },
  h: { unit: 'h', ...both('duration') },
  d: { unit: 'd', ...both('duration') },
  mm: { unit: 'mm', ...both('distance') },
  cm: { unit: 'cm', ...both('distance') },
  m: { unit: 'm', ...both('distance') },
  km: { unit: 'km', ...both('distance') },
  'mm/s': { unit: 'mm/s', ...only('speed') },
  'm/s': { unit: 'm/s', ...only('speed') },
  'km/h': { unit: 'km/h', ...only('speed') },
  mg: { unit: 'mg', ...both('weight') },
  g: { unit: 'g', ...both('weight') },
  kg: { unit: 'kg', ...both('weight') },
  By: { unit: 'B', ...both('data_size') },
  kBy: { unit: 'kB', ...both('data_size') },
  MBy: { unit: 'MB', ...both('data_size') },
  GBy: { unit: 'GB', ...both('data_size') },
  KiBy: { unit: 'KiB', ...both('data_size') },
  MiBy: { unit: 'MiB', ...both('data_size') },
  GiBy: { unit: 'GiB', ...both('data_size') },
  'By/s': { unit: 'B/s', ...only('data_rate') },
  'kBy/s': { unit: 'kB/s', ...only('data_rate') },
  'bit/s': { unit: 'bit/s', ...only('data_rate') },
  lx: { unit: 'lx', ...only('illuminance') },
  'W/m2': { unit: 'W/m²', ...only('irradiance') },
  deg: { unit: '°' },
  '/min': { unit: 'rpm' },
  '{rev}/min': { unit: 'rpm' },
  '[ppm]': { unit: 'ppm' },
  '[ppb]': { unit: 'ppb' },
};

/** What only the name of a point in one of these units tells. */
const BY_NAME: readonly { readonly unit: string; readonly name: RegExp; readonly measured: string }[] = [
  { unit: '%', name: /humid|feuchte|(^|_)rh($|_)/, measured: 'humidity' },
  { unit: '%', name: /batter(y|ie)/, measured: 'battery' },
  { unit: '[ppm]', name: /(^|[^a-z])co2($|[^a-z0-9])/, measured: 'carbon_dioxide' },
  { unit: '', name: /power[ _]factor|cos[ _]?phi/, measured: 'power_factor' },
];

/**
 * The unit and device class of a number in Home Assistant. A unit it does not know is shown as it is; a device class
 * is only given where both the unit and the way the value behaves allow it.
 */
export function homeAssistantUnit(
  ucum: string | undefined,
  options: { readonly name: string; readonly isCounter: boolean },
): { readonly unit?: string; readonly deviceClass?: string } {
  const name = options.name.toLowerCase();
  const unit = ucum === undefined || ucum === '1' ? '' : ucum;
  const known = unit === '' ? undefined : (UNITS[unit] ?? { unit });
  const byName = BY_NAME.find((each) => each.unit === unit && each.name.test(name))?.measured;
  const deviceClass = options.isCounter ? known?.counted : (known?.measured ?? byName);
  return {
    ...(known === undefined ? {} : { unit: known.unit }),
    ...(deviceClass === undefined ? {} : { deviceClass }),
  };
}

/** The UCUM code of a unit as Home Assistant's devices write it; undefined when it is none we know. */
export function ucumOfHomeAssistant(unit: string): string | undefined {
  const spelled = unit.trim().replace('\u00b5', '\u03bc');
  const found = Object.entries(UNITS).find(([, known]) => known.unit === spelled);
  return found?.[0] ?? SPELLINGS[spelled];
}

const SPELLINGS: Readonly<Record<string, string>> = {
  C: 'Cel',
  F: '[degF]',
  'µg/m³': 'ug/m3',
  'μg/m³': 'ug/m3',
  'mg/m³': 'mg/m3',
  dBm: 'dB[mW]',
  dB: 'dB',
  'm/s²': 'm/s2',
  'μS/cm': 'uS/cm',
  lm: 'lm',
};
