import { z } from 'zod';
import { DeviceIds, type Imported, type ImportedDevice, PointCollector } from './imported.ts';

/**
 * Device profiles and device lists of EdgeX Foundry, as its Modbus device service reads them.
 * @see https://docs.edgexfoundry.org/latest/microservices/device/services/device-modbus/
 */
const Resource = z.object({
  name: z.string(),
  description: z.string().optional(),
  attributes: z.record(z.string(), z.unknown()).default({}),
  properties: z.object({
    valueType: z.string(),
    readWrite: z.string().default('R'),
    units: z.string().optional(),
    ...{ minimum: z.coerce.number().optional(), maximum: z.coerce.number().optional() },
    ...{ scale: z.coerce.number().optional(), offset: z.coerce.number().optional() },
    ...{
      mask: z.coerce.number().optional(),
      shift: z.coerce.number().optional(),
      base: z.coerce.number().optional(),
    },
  }),
});
const Command = z.object({
  name: z.string(),
  resourceOperations: z
    .array(z.object({ deviceResource: z.string(), mappings: z.record(z.string(), z.string()).optional() }))
    .default([]),
});
export const EdgexProfile = z.object({
  name: z.string(),
  deviceResources: z.array(Resource),
  deviceCommands: z.array(Command).default([]),
});
const Device = z.object({
  name: z.string(),
  profileName: z.string(),
  protocols: z.record(z.string(), z.record(z.string(), z.unknown())),
  autoEvents: z
    .array(z.object({ interval: z.string(), onChange: z.boolean().optional(), sourceName: z.string() }))
    .default([]),
});
export const EdgexDevices = z.object({ deviceList: z.array(Device) });

type Profile = z.infer<typeof EdgexProfile>;
type Device = z.infer<typeof Device>;
type Resource = z.infer<typeof Resource>;

const TABLES: Readonly<Record<string, string>> = {
  COILS: 'coil',
  DISCRETES_INPUT: 'discrete',
  INPUT_REGISTERS: 'input',
  HOLDING_REGISTERS: 'holding',
};
const PARITIES: Readonly<Record<string, string>> = { N: 'none', E: 'even', O: 'odd' };
const DEFAULT_SCAN = 'default';

export function importEdgex(
  profiles: readonly Profile[],
  lists: readonly z.infer<typeof EdgexDevices>[],
): Imported {
  const lost: string[] = [];
  const ids = new DeviceIds();
  const devices = lists
    .flatMap(({ deviceList }) => deviceList)
    .flatMap((device): ImportedDevice[] => {
      const profile = profiles.find(({ name }) => name === device.profileName);
      const connect = connectOf(device);
      if (profile === undefined)
        lost.push(`${device.name}: nothing of it: its profile "${device.profileName}" is missing`);
      else if (connect === undefined)
        lost.push(
          `${device.name}: nothing of it: it is reached by ${Object.keys(device.protocols).join(', ')}`,
        );
      else return [deviceOf(device, profile, connect, ids, lost)];
      return [];
    });
  if (lists.length === 0) lost.push('no device: hand in the device list beside the profile');
  return { devices, lost };
}

function deviceOf(
  device: Device,
  profile: Profile,
  connect: Record<string, unknown>,
  ids: DeviceIds,
  lost: string[],
): ImportedDevice {
  const points = new PointCollector(device.name, lost);
  const scans: Record<string, string> = { [DEFAULT_SCAN]: '30s' };
  const scanOfResource = new Map<string, string>();
  for (const { interval, sourceName } of device.autoEvents) {
    const scan = `every_${interval.replaceAll(/\W+/g, '_')}`;
    scans[scan] = interval;
    const command = profile.deviceCommands.find(({ name }) => name === sourceName);
    const sources = command?.resourceOperations.map(({ deviceResource }) => deviceResource) ?? [sourceName];
    for (const source of sources) scanOfResource.set(source, scan);
  }
  for (const resource of profile.deviceResources) {
    const scan = scanOfResource.get(resource.name) ?? DEFAULT_SCAN;
    points.add(resource.name, pointOf(resource, labelsOf(resource.name, profile), scan));
    if (resource.properties.readWrite === 'W') points.lose(resource.name, 'it is read too, not only written');
    if (resource.properties.base !== undefined && resource.properties.base !== 0)
      points.lose(resource.name, `its "base" ${resource.properties.base}`);
  }
  return {
    id: ids.take(device.name),
    name: device.name,
    driver: 'modbus',
    connect,
    scans,
    points: points.points,
  };
}

function connectOf(device: Device): Record<string, unknown> | undefined {
  const tcp = device.protocols['modbus-tcp'];
  const rtu = device.protocols['modbus-rtu'];
  const line = tcp ?? rtu;
  if (line === undefined) return undefined;
  const unit = Number(line.UnitID ?? 1);
  const timeout = line.Timeout === undefined ? {} : { timeout: `${Number(line.Timeout)}s` };
  if (tcp !== undefined) return { tcp: `${tcp.Address}:${Number(tcp.Port ?? 502)}`, unit, ...timeout };
  return {
    serial: String(line.Address),
    ...(line.BaudRate === undefined ? {} : { baud: Number(line.BaudRate) }),
    ...(line.Parity === undefined ? {} : { parity: PARITIES[String(line.Parity)] ?? 'none' }),
    ...(line.DataBits === undefined ? {} : { dataBits: Number(line.DataBits) }),
    ...(line.StopBits === undefined ? {} : { stopBits: Number(line.StopBits) }),
    ...{ unit, ...timeout },
  };
}

function pointOf(
  { description, attributes, properties }: Resource,
  labels: Readonly<Record<string, string>> | undefined,
  scan: string,
): Record<string, unknown> {
  const table = TABLES[String(attributes.primaryTable)] ?? attributes.primaryTable;
  const as = encodingOf(String(attributes.rawType ?? properties.valueType));
  const [at, bit] = String(attributes.startingAddress).split('.').map(Number);
  const isRegister = table === 'holding' || table === 'input';
  const isNumber = as !== 'bool' && as !== 'text';
  const isWritable = properties.readWrite.includes('W');
  const { minimum, maximum } = properties;
  return {
    label: description?.slice(0, 200),
    ...{ table, at, as, scan },
    bit: as === 'bool' && isRegister ? (bit ?? 0) : undefined,
    length: as === 'text' ? Number(attributes.stringRegisterSize ?? 1) : undefined,
    order: isRegister ? orderOf(attributes) : undefined,
    ...{
      mask: isNumber ? other(properties.mask, 0) : undefined,
      shift: isNumber ? other(properties.shift, 0) : undefined,
    },
    ...{
      scale: isNumber ? other(properties.scale, 1) : undefined,
      offset: isNumber ? other(properties.offset, 0) : undefined,
    },
    unit: properties.units === '' ? undefined : properties.units,
    enum: labels,
    write:
      !isWritable || !isNumber || minimum === undefined || maximum === undefined
        ? isWritable
          ? {}
          : undefined
        : { range: [minimum, maximum] },
  };
}

function encodingOf(valueType: string): string {
  if (valueType === 'String') return 'text';
  return valueType.toLowerCase();
}

function orderOf({ isByteSwap, isWordSwap }: Record<string, unknown>): string | undefined {
  const swapsBytes = isByteSwap === true || isByteSwap === 'true';
  const swapsWords = isWordSwap === true || isWordSwap === 'true';
  if (swapsBytes) return swapsWords ? 'DCBA' : 'BADC';
  return swapsWords ? 'CDAB' : undefined;
}

/** EdgeX says in commands what the values of a resource mean. */
function labelsOf(resource: string, { deviceCommands }: Profile): Record<string, string> | undefined {
  const operations = deviceCommands.flatMap(({ resourceOperations }) => resourceOperations);
  return operations.find(
    (operation) => operation.deviceResource === resource && operation.mappings !== undefined,
  )?.mappings;
}

function other(value: number | undefined, usual: number): number | undefined {
  return value === usual ? undefined : value;
}
