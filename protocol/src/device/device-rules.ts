import { alarmProblems } from './alarm.ts';
import { checkModbus } from './modbus-rules.ts';
import type { ComputedPoint } from './point.ts';
import { type KeyPath, type Problems, pathText } from './problems.ts';
import type { DeviceSpec, DeviceType } from './schema.ts';
import { unitConversion } from './unit.ts';
import type { YamlDocument } from './yaml-source.ts';

type Described = DeviceType | DeviceSpec;
/** Where the described thing stands, for messages. */
export interface Where {
  readonly document: YamlDocument;
  readonly at: KeyPath;
  readonly label: string;
  readonly problems: Problems;
}

export type Tell = (path: KeyPath, what: string) => void;

/** Tells problems at paths inside the described thing. */
export function tellAt({ document, at, label, problems }: Where): Tell {
  return (path, what) =>
    problems.add(document.file, document.place([...at, ...path]), `${label}.${pathText(path)}`, what);
}

/** What a schema cannot say because it concerns more than one field. Problems go to `where.problems`. */
export function checkRules(device: Described, where: Where): void {
  const tell = tellAt(where);
  if (Object.keys(device.points).length === 0) tell(['points'], 'has no points');
  for (const [id, point] of Object.entries(device.points)) {
    const { write } = point;
    if (write?.range !== undefined && write.range[0] > write.range[1])
      tell(['points', id, 'write', 'range'], 'the lower end comes first');
    checkAlarms(id, point, tell);
    checkDescription(id, point, tell);
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

/** Of driver points and computed ones alike. */
export function checkDescription(
  id: string,
  point: Pick<ComputedPoint, 'unit' | 'display' | 'enum'> & { readonly as?: string },
  tell: Tell,
): void {
  const { unit, display, as } = point;
  if (display !== undefined && unit === undefined)
    tell(['points', id, 'display'], 'needs a "unit" to convert from');
  else if (display !== undefined && unit !== undefined && unitConversion(unit, display) === null)
    tell(['points', id, 'display'], `cannot show "${unit}" as "${display}"`);
  for (const value of Object.keys(point.enum ?? {})) {
    const path = ['points', id, 'enum', value];
    const isBool = value === 'true' || value === 'false';
    if (as === 'text') tell(path, 'has no meaning for as: text');
    else if ((as === 'bool') !== isBool)
      tell(path, `must be ${as === 'bool' ? 'true or false' : 'a number'}`);
  }
}

/** Of driver points and computed ones alike. */
export function checkAlarms(id: string, point: Pick<ComputedPoint, 'alarms'>, tell: Tell): void {
  for (const [name, alarm] of Object.entries(point.alarms ?? {})) {
    for (const [field, what] of alarmProblems(alarm)) tell(['points', id, 'alarms', name, field], what);
  }
}
