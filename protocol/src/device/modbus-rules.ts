import type { Tell } from './device-rules.ts';
import { wirePlaces } from './drivers/byte-order.ts';
import { type ModbusPoint, NUMERIC_ENCODINGS, registersOf } from './drivers/modbus.ts';
import { didYouMean, type KeyPath } from './problems.ts';
import type { DeviceSpec, DeviceType } from './schema.ts';

export type ModbusSection = Pick<
  Extract<DeviceType | DeviceSpec, { driver: 'modbus' }>,
  'scans' | 'defaults' | 'merge' | 'points'
>;

const ADDRESSES = 65_536;
const MIN_PERIOD_MS = 10;

/** What the schema of a Modbus device cannot say because it concerns more than one field. */
export function checkModbus(device: ModbusSection, tell: Tell): void {
  const { scans, defaults, merge } = device;
  const names = Object.keys(scans);
  const unknownScan = (scan: string) =>
    `there is no scan "${scan}"${didYouMean(scan, names)}${names.length === 0 ? '; "scans" names none' : ''}`;
  const defaultScanFits = defaults.scan === undefined || Object.hasOwn(scans, defaults.scan);
  if (defaults.scan !== undefined && !defaultScanFits) tell(['defaults', 'scan'], unknownScan(defaults.scan));
  for (const [name, { every, phase }] of Object.entries(scans)) {
    if (every < MIN_PERIOD_MS) tell(['scans', name], `must be at least ${MIN_PERIOD_MS}ms`);
    if (phase >= every && phase > 0) tell(['scans', name, 'phase'], 'must be shorter than "every"');
  }
  for (const [index, [from, to]] of merge.avoid.entries()) {
    if (from > to) tell(['merge', 'avoid', index], 'the lower address comes first');
  }
  for (const [id, point] of Object.entries(device.points)) {
    const at = (field: keyof ModbusPoint): KeyPath => ['points', id, field];
    if (point.scan !== undefined && !Object.hasOwn(scans, point.scan))
      tell(at('scan'), unknownScan(point.scan));
    else if (point.scan === undefined && defaults.scan === undefined && names.length > 1)
      tell(['points', id], `needs a "scan" (${names.join(', ')}), or "defaults" needs one`);
    const tellPoint: TellField = (field, what) => tell(at(field), what);
    checkPlace(point, device, tellPoint);
    checkEncoding(point, device, tellPoint);
    checkPart(point, tellPoint);
    checkElements(id, point, device, tellPoint);
    checkScaleFrom(id, point, device, tellPoint);
  }
}

function checkScaleFrom(id: string, point: ModbusPoint, device: ModbusSection, tell: TellField): void {
  const { scaleFrom, as, part } = { ...point, part: point.bits ?? point.mask ?? point.shift };
  if (scaleFrom === undefined) return;
  const named = Object.entries(device.points).find(([name]) => name === scaleFrom)?.[1];
  if (named === undefined)
    tell('scaleFrom', `there is no point "${scaleFrom}"${didYouMean(scaleFrom, Object.keys(device.points))}`);
  else if (scaleFrom === id || named.as !== 'int16' || named.scale !== undefined || isBits(named, device))
    tell('scaleFrom', `"${scaleFrom}" must be another point, an int16 without a scale of its own`);
  if (as === 'bool' || as === 'text' || part !== undefined)
    tell('scaleFrom', 'is for whole numbers and floats only');
}

type TellField = (field: keyof ModbusPoint, what: string) => void;

function isBits(point: ModbusPoint, device: ModbusSection): boolean {
  const table = point.table ?? device.defaults.table;
  return table === 'coil' || table === 'discrete';
}

function checkPlace(point: ModbusPoint, device: ModbusSection, tell: TellField): void {
  const { defaults, merge } = device;
  const bits = isBits(point, device);
  const one = registersOf(point);
  const size = one + (point.step ?? one) * ((point.count ?? 1) - 1);
  const first = point.at - defaults.base;
  if (first < 0)
    tell('at', `addresses start at ${defaults.base} here (base: ${defaults.base}); got ${point.at}`);
  else if (first + size > ADDRESSES)
    tell(
      'at',
      `${size} registers from ${point.at} end beyond the last ${bits ? 'bit' : 'register'}, ${ADDRESSES - 1 + defaults.base}`,
    );
  if (!bits && one > merge.maxRegisters)
    tell('as', `takes ${one} registers, but merge.maxRegisters allows ${merge.maxRegisters} in one request`);
  const avoided = merge.avoid.find(([from, to]) => point.at <= to && point.at + size > from);
  if (!bits && avoided !== undefined)
    tell('at', `lies in ${avoided[0]}–${avoided[1]}, which merge.avoid forbids to read`);
}

function checkEncoding(point: ModbusPoint, device: ModbusSection, tell: TellField): void {
  const { as } = point;
  const table = point.table ?? device.defaults.table;
  if (isBits(point, device) && as !== 'bool') tell('as', `must be "bool" in table "${table}"; got "${as}"`);
  if (as === 'text' && point.length === undefined) tell('as', 'a text needs a "length" in registers');
  for (const field of ['length', 'trim', 'charset'] as const) {
    if (as !== 'text' && point[field] !== undefined) tell(field, 'is only for as: text');
  }
  for (const field of ['scale', 'offset', 'invalid'] as const) {
    if ((as === 'text' || as === 'bool') && point[field] !== undefined)
      tell(field, `has no meaning for as: ${as}`);
  }
  if (point.order !== undefined) {
    const sizeBytes = as === 'text' || as === 'bool' ? 2 : 2 * registersOf(point);
    if (wirePlaces(point.order, sizeBytes) === undefined)
      tell('order', `"${point.order}" spells ${point.order.length} bytes, but ${as} has ${sizeBytes}`);
  }
  if (point.write !== undefined && (table === 'input' || table === 'discrete'))
    tell('write', `table "${table}" can only be read`);
}

/** Points that are part of a register. */
function checkPart(point: ModbusPoint, tell: TellField): void {
  const { as, bit, bits, mask, shift, byte } = point;
  const sizeBytes = as === 'text' || as === 'bool' ? undefined : NUMERIC_ENCODINGS[as];
  const isInteger = sizeBytes !== undefined && sizeBytes <= 4 && /^u?int/.test(as);
  const width = isInteger ? 8 * sizeBytes : 0;
  if (byte !== undefined && sizeBytes !== 1) tell('byte', 'is only for as: int8 and uint8');
  if (bit !== undefined && as !== 'bool')
    tell('bit', 'is only for as: bool; "bits" takes several of a number');
  if (bits !== undefined) {
    if (!isInteger) tell('bits', 'is only for integers up to 32 bits');
    else if (bits[0] > bits[1]) tell('bits', 'the lower bit comes first');
    else if (bits[1] >= width) tell('bits', `${as} ends at bit ${width - 1}; got ${bits[1]}`);
  }
  for (const field of ['mask', 'shift'] as const) {
    const value = point[field];
    if (value === undefined) continue;
    if (!isInteger || !as.startsWith('u')) tell(field, 'is only for unsigned integers up to 32 bits');
    else if (bits !== undefined) tell(field, 'is given next to "bits", which says the same');
    else if (value >= (field === 'mask' ? 2 ** width : width)) tell(field, `is too large for ${as}`);
  }
  const isPart = [bit, bits, mask, shift].some((each) => each !== undefined) || sizeBytes === 1;
  if (point.write !== undefined && isPart)
    tell('write', 'only part of a register cannot be written: the rest of it would be overwritten');
}

function checkElements(id: string, point: ModbusPoint, device: ModbusSection, tell: TellField): void {
  const { count, step } = point;
  if (count === undefined) {
    if (step !== undefined) tell('step', 'needs a "count"');
    return;
  }
  if (point.as === 'text') tell('count', 'has no meaning for as: text');
  if (step !== undefined && step < registersOf(point))
    tell('step', `one element takes ${registersOf(point)} registers, but the next begins after ${step}`);
  const taken = Array.from({ length: count }, (_, index) => elementName(id, index)).find((name) =>
    Object.hasOwn(device.points, name),
  );
  if (taken !== undefined) tell('count', `makes a point "${taken}", but there is one of this name`);
}

/** How the points of an array are called. */
export function elementName(id: string, index: number): string {
  return `${id}_${index}`;
}
