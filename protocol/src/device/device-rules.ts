import type { ModbusPoint } from './drivers/modbus.ts';
import { didYouMean, type KeyPath, type Problems, pathText } from './problems.ts';
import type { DeviceSpec, DeviceType } from './schema.ts';
import type { YamlDocument } from './yaml-source.ts';

type Described = DeviceType | DeviceSpec;
type ModbusSection = Pick<
  Extract<Described, { driver: 'modbus' }>,
  'scans' | 'defaults' | 'merge' | 'points'
>;

/** Where the described thing stands, for messages. */
export interface Where {
  readonly document: YamlDocument;
  readonly at: KeyPath;
  readonly label: string;
  readonly problems: Problems;
}

type Tell = (path: KeyPath, what: string) => void;

/** Scan group of a type that names none. */
const DEFAULT_SCAN = { name: 'default', periodMs: 1000 } as const;
const ADDRESSES = 65_536;

/** What a schema cannot say because it concerns more than one field. Problems go to `where.problems`. */
export function checkRules(device: Described, where: Where): void {
  const { document, at, label, problems } = where;
  const tell: Tell = (path, what) =>
    problems.add(document.file, document.place([...at, ...path]), `${label}.${pathText(path)}`, what);
  if (Object.keys(device.points).length === 0) tell(['points'], 'has no points');
  for (const [id, point] of Object.entries(device.points)) {
    const { write } = point;
    if (write?.range !== undefined && write.range[0] > write.range[1])
      tell(['points', id, 'write', 'range'], 'the lower end comes first');
    checkAlarms(id, point, tell);
  }
  if (device.driver === 'modbus') checkModbus(device, tell);
  if (device.driver === 'mqtt') {
    for (const [id, point] of Object.entries(device.points)) {
      if (point.write !== undefined && point.command === undefined)
        tell(['points', id, 'write'], 'needs a "command" that says on which topic a write is published');
    }
  }
  if (device.driver === 'host') {
    for (const [id, point] of Object.entries(device.points)) {
      if (point.write !== undefined) tell(['points', id, 'write'], 'the machine itself can only be read');
    }
  }
}

/** Topics of a type that begin with `~` need to be told by each device what that is. */
export function checkTopicBase(
  device: Pick<Extract<DeviceSpec, { driver: 'mqtt' }>, 'connect' | 'points'>,
  where: Where,
): void {
  if (device.connect.base !== undefined) return;
  const { document, at, label, problems } = where;
  const topics = [
    ...Object.values(device.points).flatMap((each) => [each.topic, each.command?.topic]),
    device.connect.availability,
  ];
  const relative = topics.find((topic) => topic?.startsWith('~'));
  if (relative === undefined) return;
  const what = `needs a "base", which the "~" of topic "${relative}" stands for`;
  problems.add(document.file, document.place([...at, 'connect']), `${label}.connect`, what);
}

function checkAlarms(id: string, point: Described['points'][keyof Described['points']], tell: Tell): void {
  for (const [name, alarm] of Object.entries(point.alarms ?? {})) {
    const { at, off, side } = alarm;
    if (off === undefined || side === undefined || off === at) continue;
    if (side === 'high' ? off > at : off < at)
      tell(
        ['points', id, 'alarms', name, 'off'],
        `must be ${side === 'high' ? 'at most' : 'at least'} "at" (${at}) for a ${side} alarm; got ${off}`,
      );
  }
}

function checkModbus(device: ModbusSection, tell: Tell): void {
  const { scans, defaults, merge } = device;
  const names = Object.keys(scans);
  const unknownScan = (scan: string) =>
    `there is no scan "${scan}"${didYouMean(scan, names)}${names.length === 0 ? '; "scans" names none' : ''}`;
  const defaultScanFits = defaults.scan === undefined || Object.hasOwn(scans, defaults.scan);
  if (defaults.scan !== undefined && !defaultScanFits) tell(['defaults', 'scan'], unknownScan(defaults.scan));
  for (const [name, periodMs] of Object.entries(scans)) {
    if (periodMs < 10) tell(['scans', name], 'must be at least 10ms');
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
    checkModbusPoint(id, point, device, tell);
  }
}

function checkModbusPoint(id: string, point: ModbusPoint, device: ModbusSection, tell: Tell): void {
  const { defaults, merge } = device;
  const at = (field: keyof ModbusPoint): KeyPath => ['points', id, field];
  const table = point.table ?? defaults.table;
  const bits = table === 'coil' || table === 'discrete';
  if (bits && point.as !== 'bool') tell(at('as'), `must be "bool" in table "${table}"; got "${point.as}"`);
  if (point.as === 'text' && point.length === undefined)
    tell(at('as'), 'a text needs a "length" in registers');
  if (point.as !== 'text' && point.length !== undefined) tell(at('length'), 'is only for as: text');
  if (point.as === 'text' || point.as === 'bool') {
    if (point.scale !== undefined) tell(at('scale'), `has no meaning for as: ${point.as}`);
    if (point.offset !== undefined) tell(at('offset'), `has no meaning for as: ${point.as}`);
  }
  if (point.write !== undefined && (table === 'input' || table === 'discrete'))
    tell(at('write'), `table "${table}" can only be read`);
  const size = registersOf(point);
  const first = point.at - defaults.base;
  const unit = bits ? 'bit' : 'register';
  if (first < 0)
    tell(at('at'), `addresses start at ${defaults.base} here (base: ${defaults.base}); got ${point.at}`);
  else if (first + size > ADDRESSES)
    tell(
      at('at'),
      `${size} registers from ${point.at} end beyond the last ${unit}, ${ADDRESSES - 1 + defaults.base}`,
    );
  if (!bits && size > merge.maxRegisters)
    tell(
      at('as'),
      `takes ${size} registers, but merge.maxRegisters allows ${merge.maxRegisters} in one request`,
    );
  const avoided = merge.avoid.find(([from, to]) => point.at <= to && point.at + size > from);
  if (!bits && avoided !== undefined)
    tell(at('at'), `lies in ${avoided[0]}–${avoided[1]}, which merge.avoid forbids to read`);
}

/** @returns how many registers (or bits, in coil and discrete) a point takes */
export function registersOf(point: Pick<ModbusPoint, 'as' | 'length'>): number {
  switch (point.as) {
    case 'text':
      return point.length ?? 1;
    case 'int32':
    case 'uint32':
    case 'float32':
      return 2;
    case 'int64':
    case 'uint64':
    case 'float64':
      return 4;
    default:
      return 1;
  }
}

/** Writes the defaults into every point and turns addresses into those on the wire. */
export function withProtocolAddresses<T extends ModbusSection>(device: T): T {
  const { defaults, merge } = device;
  const names = Object.keys(device.scans);
  const scan = defaults.scan ?? names[0] ?? DEFAULT_SCAN.name;
  const scans = names.length > 0 ? device.scans : { [DEFAULT_SCAN.name]: DEFAULT_SCAN.periodMs };
  const points = Object.fromEntries(
    Object.entries(device.points).map(([id, point]) => [
      id,
      {
        ...point,
        at: point.at - defaults.base,
        table: point.table ?? defaults.table,
        order: point.order ?? defaults.order,
        scan: point.scan ?? scan,
      },
    ]),
  );
  const avoid = merge.avoid.map(([from, to]) => [from - defaults.base, to - defaults.base]);
  return {
    ...device,
    scans,
    defaults: { ...defaults, scan, base: 0 },
    merge: { ...merge, avoid },
    points,
  };
}
