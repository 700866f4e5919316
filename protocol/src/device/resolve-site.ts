import { z } from 'zod';
import { apartFromComputed, type ComputedPoints, checkComputed } from './computed-points.ts';
import { checkRules, checkTopicBase, tellAt, type Where } from './device-rules.ts';
import { HostConnect } from './drivers/host.ts';
import { ModbusConnect } from './drivers/modbus-connect.ts';
import { MqttConnect } from './drivers/mqtt.ts';
import { OpcuaConnect } from './drivers/opcua.ts';
import { PackageConnect } from './drivers/package.ts';
import { SparkplugConnect } from './drivers/sparkplug.ts';
import { type Checked, checkValue } from './explain.ts';
import { checkAcross, checkWithin, type ExpressionLanguage, type Located } from './expressions.ts';
import { withProtocolAddresses } from './modbus-addresses.ts';
import type { PointDefaults } from './point.ts';
import { withDefaults } from './point-defaults.ts';
import { didYouMean, type Place, Problems, shown } from './problems.ts';
import { type DeviceSpec, DeviceType, InlineDevice, TypedDevice } from './schema.ts';
import type { Variables } from './variables.ts';
import { readYaml, type SourceFile, type YamlDocument } from './yaml-source.ts';

export interface SiteSources {
  /** A YAML list of devices, each with a `type` or described in place. */
  readonly site: SourceFile;
  /** Device types, one or more YAML documents per file. */
  readonly types: readonly SourceFile[];
  readonly variables?: Variables;
  /**
   * Checks expressions (computed points, alarms, interlocks): `Expression` of `@millwright/protocol/expression`. Without it
   * they are taken as they are; `hasExpressions` says whether there are any to check.
   */
  readonly expressions?: ExpressionLanguage | undefined;
}

interface KnownType {
  readonly document: YamlDocument;
  /** undefined when the type itself has problems: its devices are not blamed for it. */
  readonly type: DeviceType | undefined;
  readonly computed: ComputedPoints;
}

/**
 * Merges device types and a site file into devices ready to run: defaults applied, everything checked.
 * Modbus points come out with their effective `table`, `order` and `scan`, and with protocol addresses
 * (`at` less the type's `base`, which then is 0); arrays are single points, computed ones stand apart.
 *
 * @throws InvalidInputError `CONFIG_INVALID` with one line per problem of all files
 */
export function resolveSite(sources: SiteSources): DeviceSpec[] {
  const problems = new Problems();
  const variables = sources.variables ?? {};
  const { site, expressions } = sources;
  const types = readTypes(sources.types, variables, problems, expressions);
  const before = problems.count;
  const documents = readYaml(site, variables, problems);
  const [document, second] = documents;
  if (second !== undefined)
    problems.add(site.name, second.place([]), '', 'a second document is not allowed here');
  if (document === undefined) {
    if (problems.count === before)
      problems.add(site.name, { line: 1, column: 1 }, '', 'is empty; write [] for no devices');
    return problems.throwAll();
  }
  const list = checkValue(document, document.value, z.array(z.unknown()), problems);
  const located: Located[] = [];
  const firstById = new Map<string, Place>();
  for (const [index, value] of (list.ok ? list.value : []).entries()) {
    const id = property(value, 'id');
    const label = typeof id === 'string' && id !== '' ? id : `[${index}]`;
    const device = resolveDevice({ document, index, value, label, problems, expressions }, types);
    if (device !== undefined) located.push(device);
    if (typeof id !== 'string') continue;
    const place = document.place([index, 'id']);
    const first = firstById.get(id);
    if (first === undefined) firstById.set(id, place);
    else problems.add(site.name, place, `${label}.id`, `another device has this id on line ${first.line}`);
  }
  if (expressions !== undefined && problems.count === 0) checkAcross(expressions, located);
  problems.throwIfAny();
  return located.map(({ spec }) => spec);
}

function readTypes(
  files: readonly SourceFile[],
  variables: Variables,
  problems: Problems,
  expressions: ExpressionLanguage | undefined,
): Map<string, KnownType> {
  const types = new Map<string, KnownType>();
  for (const document of files.flatMap((file) => readYaml(file, variables, problems))) {
    const name = property(document.value, 'type');
    const label = typeof name === 'string' ? name : '';
    const before = problems.count;
    const written = apartFromComputed(document.value);
    const checked = checkValue(document, written.value, DeviceType, problems, { label });
    if (typeof name !== 'string') continue;
    const first = types.get(name);
    if (first !== undefined) {
      const where = `${first.document.file}:${first.document.place(['type']).line}`;
      problems.add(document.file, document.place(['type']), label, `is described already in ${where}`);
      continue;
    }
    const where = { document, at: [], label, problems };
    const computed = checkComputed(written.computed, where);
    if (checked.ok) checkRules(checked.value, where);
    const sound = checked.ok && problems.count === before ? checked.value : undefined;
    const type = sound?.driver === 'modbus' ? withProtocolAddresses(sound) : sound;
    if (type !== undefined && expressions !== undefined)
      checkWithin(expressions, { points: type.points, computed }, where);
    types.set(name, { document, type: problems.count === before ? type : undefined, computed });
  }
  return types;
}

interface Listed {
  readonly document: YamlDocument;
  readonly index: number;
  readonly value: unknown;
  /** The device's id where it has one, else its position: how messages call it. */
  readonly label: string;
  readonly problems: Problems;
  readonly expressions: ExpressionLanguage | undefined;
}

function resolveDevice(listed: Listed, types: ReadonlyMap<string, KnownType>): Located | undefined {
  const { document, index, value, label, problems, expressions } = listed;
  const typed = property(value, 'type') !== undefined;
  const inline = property(value, 'driver') !== undefined;
  if (typed && inline) {
    const what = 'is given next to "type"; a device has either a type, or a driver and points of its own';
    problems.add(document.file, document.placeOfKey([index, 'driver']), `${label}.driver`, what);
    return undefined;
  }
  if (typed) return resolveTyped(listed, types);
  if (!inline && isMap(value)) {
    const what = 'needs a "type", or a "driver" and points of its own';
    problems.add(document.file, document.place([index]), label, what);
    return undefined;
  }
  const before = problems.count;
  const written = apartFromComputed(value);
  const device = checkValue(document, written.value, InlineDevice, problems, { at: [index], label });
  const where = { document, at: [index], label, problems };
  const computed = checkComputed(written.computed, where);
  if (!device.ok) return undefined;
  checkRules(device.value, where);
  if (device.value.driver === 'mqtt') checkTopicBase(device.value, where);
  if (problems.count > before) return undefined;
  const addressed = device.value.driver === 'modbus' ? withProtocolAddresses(device.value) : device.value;
  checkNames(computed, addressed.points, where);
  if (expressions !== undefined) checkWithin(expressions, { points: addressed.points, computed }, where);
  return { spec: complete(addressed, computed, device.value.defaults), where };
}

function resolveTyped(listed: Listed, types: ReadonlyMap<string, KnownType>): Located | undefined {
  const { document, index, value, label, problems, expressions } = listed;
  const written = apartFromComputed(value);
  const device = checkValue(document, written.value, TypedDevice, problems, { at: [index], label });
  const where = { document, at: [index], label, problems };
  const own = checkComputed(written.computed, where);
  if (!device.ok) return undefined;
  const { type: typeName } = device.value;
  const known = types.get(typeName);
  if (known === undefined) {
    const what = `no type file describes ${shown(typeName)}${didYouMean(typeName, [...types.keys()])}`;
    problems.add(document.file, document.place([index, 'type']), `${label}.type`, what);
    return undefined;
  }
  const { type } = known;
  if (type === undefined) return undefined;
  for (const id of Object.keys(device.value.points ?? {}))
    tellAt(where)(['points', id], 'needs "compute": all other points are those of the type');
  checkNames(own, { ...type.points, ...known.computed }, where);
  const base = connected(type, device.value, where);
  if (base === undefined) return undefined;
  const computed = { ...known.computed, ...own };
  const spec = complete(complete(base, computed, device.value.defaults), computed, type.defaults);
  const isOwn = Object.keys(own).length > 0;
  // Those of the type were checked with it, and are told there.
  if (isOwn && expressions !== undefined) checkWithin(expressions, { points: type.points, computed }, where);
  return { spec, where: isOwn ? where : { ...where, document: known.document, at: [] } };
}

function checkNames(computed: ComputedPoints, points: Readonly<Record<string, unknown>>, where: Where): void {
  for (const id of Object.keys(computed)) {
    if (Object.hasOwn(points, id)) tellAt(where)(['points', id], 'another point of the device has this name');
  }
}

/** A device with its computed points, and with what its points do not say themselves. */
function complete(
  device: DeviceSpec,
  computed: ComputedPoints,
  defaults: PointDefaults | undefined,
): DeviceSpec {
  const points = withDefaults(device.points, defaults);
  const isPlain = points === device.points && Object.keys(computed).length === 0;
  if (isPlain) return device;
  const all = withDefaults(device.computed ?? computed, defaults);
  return { ...device, points, ...(Object.keys(all).length === 0 ? {} : { computed: all }) } as DeviceSpec;
}

/** A type with where one of its devices is reached. */
function connected(type: DeviceType, device: TypedDevice, where: Where): DeviceSpec | undefined {
  const { id, name: title } = device;
  const { document, at, label, problems } = where;
  const head = { id, type: type.type, ...(title === undefined ? {} : { name: title }) };
  const connectTo = <T>(schema: z.ZodType<T>): Checked<T> =>
    checkValue(document, device.connect, schema, problems, {
      at: [...at, 'connect'],
      label: `${label}.connect`,
    });
  switch (type.driver) {
    case 'modbus': {
      const connect = connectTo(ModbusConnect);
      const { driver, scans, defaults, merge, points } = type;
      return connect.ok
        ? { ...head, driver, connect: connect.value, scans, defaults, merge, points }
        : undefined;
    }
    case 'opcua': {
      const connect = connectTo(OpcuaConnect);
      return connect.ok
        ? { ...head, driver: type.driver, connect: connect.value, points: type.points }
        : undefined;
    }
    case 'mqtt': {
      const connect = connectTo(MqttConnect);
      if (!connect.ok) return undefined;
      checkTopicBase({ connect: connect.value, points: type.points }, where);
      return { ...head, driver: type.driver, connect: connect.value, points: type.points };
    }
    case 'package': {
      const connect = connectTo(PackageConnect);
      const { driver, package: name, points } = type;
      return connect.ok ? { ...head, driver, package: name, connect: connect.value, points } : undefined;
    }
    case 'sparkplug': {
      const connect = connectTo(SparkplugConnect);
      return connect.ok
        ? { ...head, driver: type.driver, connect: connect.value, points: type.points }
        : undefined;
    }
    case 'host': {
      const connect = connectTo(HostConnect);
      return connect.ok
        ? { ...head, driver: type.driver, connect: connect.value, points: type.points }
        : undefined;
    }
  }
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function property(value: unknown, key: string): unknown {
  return isMap(value) ? value[key] : undefined;
}
