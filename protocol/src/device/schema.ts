import { z } from 'zod';
import { DeviceSlug, PointId } from '../ids.ts';
import { HostConnect, HostPoint } from './drivers/host.ts';
import { ModbusPoint, ModbusType } from './drivers/modbus.ts';
import { ModbusConnect } from './drivers/modbus-connect.ts';
import { MqttConnect, MqttPoint } from './drivers/mqtt.ts';
import { OpcuaConnect, OpcuaPoint } from './drivers/opcua.ts';
import { SparkplugConnect, SparkplugPoint } from './drivers/sparkplug.ts';

/** `name@revision`; a released revision is never edited. */
export const TypeRef = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]*@\d+$/, 'must be "name@revision", such as "acme-em3@1"');

const points = <T extends z.ZodType>(point: T) => z.record(PointId, point);
const typeHead = { type: TypeRef, label: z.string().max(200).optional() } as const;

/** What a kind of device looks like, once for all its instances: `types/<vendor>-<model>.yaml`. */
export const DeviceType = z.discriminatedUnion('driver', [
  z.strictObject({ ...typeHead, driver: z.literal('modbus'), ...ModbusType, points: points(ModbusPoint) }),
  z.strictObject({ ...typeHead, driver: z.literal('opcua'), points: points(OpcuaPoint) }),
  z.strictObject({ ...typeHead, driver: z.literal('mqtt'), points: points(MqttPoint) }),
  z.strictObject({ ...typeHead, driver: z.literal('sparkplug'), points: points(SparkplugPoint) }),
  z.strictObject({ ...typeHead, driver: z.literal('host'), points: points(HostPoint) }),
]);
export type DeviceType = z.infer<typeof DeviceType>;

const deviceHead = { id: DeviceSlug, name: z.string().max(200).optional() } as const;

/** A device that uses a type: where it is reached, nothing else. `connect` is checked against the type's driver. */
export const TypedDevice = z.strictObject({
  ...deviceHead,
  type: TypeRef,
  connect: z.record(z.string(), z.unknown()).default({}),
});

/** A device described in place. */
export const InlineDevice = z.discriminatedUnion('driver', [
  z.strictObject({
    ...deviceHead,
    driver: z.literal('modbus'),
    connect: ModbusConnect,
    ...ModbusType,
    points: points(ModbusPoint),
  }),
  z.strictObject({
    ...deviceHead,
    driver: z.literal('opcua'),
    connect: OpcuaConnect,
    points: points(OpcuaPoint),
  }),
  z.strictObject({
    ...deviceHead,
    driver: z.literal('mqtt'),
    connect: MqttConnect,
    points: points(MqttPoint),
  }),
  z.strictObject({
    ...deviceHead,
    driver: z.literal('sparkplug'),
    connect: SparkplugConnect,
    points: points(SparkplugPoint),
  }),
  z.strictObject({
    ...deviceHead,
    driver: z.literal('host'),
    connect: HostConnect.prefault({}),
    points: points(HostPoint),
  }),
]);

export const CONNECT_SCHEMAS = {
  modbus: ModbusConnect,
  opcua: OpcuaConnect,
  mqtt: MqttConnect,
  sparkplug: SparkplugConnect,
  host: HostConnect,
} as const;
export type DriverName = keyof typeof CONNECT_SCHEMAS;

/** A device ready to run: type and instance merged, defaults applied, everything checked. */
export type DeviceSpec = z.infer<typeof InlineDevice> & { readonly type?: string };
export type DeviceSpecOf<D extends DriverName> = Extract<DeviceSpec, { driver: D }>;
/** A point of any driver, its common part. */
export type PointSpec = DeviceSpec['points'][PointId];
