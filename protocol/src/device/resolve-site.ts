import { z } from 'zod';
import { checkRules, checkTopicBase } from './device-rules.ts';
import { HostConnect } from './drivers/host.ts';
import { ModbusConnect } from './drivers/modbus-connect.ts';
import { MqttConnect } from './drivers/mqtt.ts';
import { OpcuaConnect } from './drivers/opcua.ts';
import { SparkplugConnect } from './drivers/sparkplug.ts';
import { type Checked, checkValue } from './explain.ts';
import { withProtocolAddresses } from './modbus-addresses.ts';
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
}

interface KnownType {
  readonly document: YamlDocument;
  /** undefined when the type itself has problems: its devices are not blamed for it. */
  readonly type: DeviceType | undefined;
}

/**
 * Merges device types and a site file into devices ready to run: defaults applied, everything checked.
 * Modbus points come out with their effective `table`, `order` and `scan`, and with protocol addresses
 * (`at` less the type's `base`, which then is 0).
 *
 * @throws InvalidInputError `CONFIG_INVALID` with one line per problem of all files
 */
export function resolveSite(sources: SiteSources): DeviceSpec[] {
  const problems = new Problems();
  const variables = sources.variables ?? {};
  const types = readTypes(sources.types, variables, problems);
  const { site } = sources;
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
  const specs: DeviceSpec[] = [];
  const firstById = new Map<string, Place>();
  for (const [index, value] of (list.ok ? list.value : []).entries()) {
    const id = property(value, 'id');
    const label = typeof id === 'string' && id !== '' ? id : `[${index}]`;
    const spec = resolveDevice({ document, index, value, label, problems }, types);
    if (spec !== undefined) specs.push(spec);
    if (typeof id !== 'string') continue;
    const place = document.place([index, 'id']);
    const first = firstById.get(id);
    if (first === undefined) firstById.set(id, place);
    else problems.add(site.name, place, `${label}.id`, `another device has this id on line ${first.line}`);
  }
  problems.throwIfAny();
  return specs;
}

function readTypes(
  files: readonly SourceFile[],
  variables: Variables,
  problems: Problems,
): Map<string, KnownType> {
  const types = new Map<string, KnownType>();
  for (const document of files.flatMap((file) => readYaml(file, variables, problems))) {
    const name = property(document.value, 'type');
    const label = typeof name === 'string' ? name : '';
    const before = problems.count;
    const checked = checkValue(document, document.value, DeviceType, problems, { label });
    if (typeof name !== 'string') continue;
    const first = types.get(name);
    if (first !== undefined) {
      const where = `${first.document.file}:${first.document.place(['type']).line}`;
      problems.add(document.file, document.place(['type']), label, `is described already in ${where}`);
      continue;
    }
    if (checked.ok) checkRules(checked.value, { document, at: [], label, problems });
    const sound = checked.ok && problems.count === before ? checked.value : undefined;
    types.set(name, { document, type: sound?.driver === 'modbus' ? withProtocolAddresses(sound) : sound });
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
}

function resolveDevice(listed: Listed, types: ReadonlyMap<string, KnownType>): DeviceSpec | undefined {
  const { document, index, value, label, problems } = listed;
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
  const device = checkValue(document, value, InlineDevice, problems, { at: [index], label });
  if (!device.ok) return undefined;
  const where = { document, at: [index], label, problems };
  checkRules(device.value, where);
  if (device.value.driver === 'mqtt') checkTopicBase(device.value, where);
  if (problems.count > before) return undefined;
  return device.value.driver === 'modbus' ? withProtocolAddresses(device.value) : device.value;
}

function resolveTyped(listed: Listed, types: ReadonlyMap<string, KnownType>): DeviceSpec | undefined {
  const { document, index, value, label, problems } = listed;
  const device = checkValue(document, value, TypedDevice, problems, { at: [index], label });
  if (!device.ok) return undefined;
  const { id, name, type: typeName } = device.value;
  const known = types.get(typeName);
  if (known === undefined) {
    const what = `no type file describes ${shown(typeName)}${didYouMean(typeName, [...types.keys()])}`;
    problems.add(document.file, document.place([index, 'type']), `${label}.type`, what);
    return undefined;
  }
  const { type } = known;
  if (type === undefined) return undefined;
  const head = { id, type: type.type, ...(name === undefined ? {} : { name }) };
  const connectTo = <T>(schema: z.ZodType<T>): Checked<T> =>
    checkValue(document, device.value.connect, schema, problems, {
      at: [index, 'connect'],
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
      checkTopicBase(
        { connect: connect.value, points: type.points },
        { document, at: [index], label, problems },
      );
      return { ...head, driver: type.driver, connect: connect.value, points: type.points };
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
