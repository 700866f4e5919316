import { z } from 'zod';
import { DeviceSlug, PointId } from '../ids.ts';
import { HostConnect, HostPoint } from './drivers/host.ts';
import { ModbusPoint, ModbusType } from './drivers/modbus.ts';
import { ModbusConnect } from './drivers/modbus-connect.ts';
import { MqttConnect, MqttPoint } from './drivers/mqtt.ts';
import { OpcuaConnect, OpcuaPoint } from './drivers/opcua.ts';
import { PackageConnect, PackagePoint, PackageType } from './drivers/package.ts';
import { SparkplugConnect, SparkplugPoint } from './drivers/sparkplug.ts';
import { type ComputedPoint, PointDefaults } from './point.ts';

/** `name@revision`; a released revision is never edited. */
export const TypeRef = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]*@\d+$/, 'must be "name@revision", such as "acme-em3@1"');

const points = <T extends z.ZodType>(point: T) => z.record(PointId, point);
const typeHead = { type: TypeRef, label: z.string().max(200).optional() } as const;

/** What a kind of device looks like, once for all its instances: `types/<vendor>-<model>.yaml`. */
export const DeviceType = z.discriminatedUnion('driver', [
  z.strictObject({ ...typeHead, driver: z.literal('modbus'), ...ModbusType, points: points(ModbusPoint) }),
  z.strictObject({
    ...typeHead,
    driver: z.literal('opcua'),
    defaults: PointDefaults.optional(),
    points: points(OpcuaPoint),
  }),
  z.strictObject({
    ...typeHead,
    driver: z.literal('mqtt'),
    defaults: PointDefaults.optional(),
    points: points(MqttPoint),
  }),
  z.strictObject({
    ...typeHead,
    driver: z.literal('sparkplug'),
    defaults: PointDefaults.optional(),
    points: points(SparkplugPoint),
  }),
  z.strictObject({
    ...typeHead,
    driver: z.literal('package'),
    ...PackageType,
    defaults: PointDefaults.optional(),
    points: points(PackagePoint),
  }),
  z.strictObject({
    ...typeHead,
    driver: z.literal('host'),
    defaults: PointDefaults.optional(),
    points: points(HostPoint),
  }),
]);
export type DeviceType = z.infer<typeof DeviceType>;

const deviceHead = { id: DeviceSlug, name: z.string().max(200).optional() } as const;

/**
 * A device that uses a type: where it is reached, and what its points do not say about reporting in the type.
 * `connect` is checked against the type's driver. It may have computed points of its own beside those of the type.
 */
export const TypedDevice = z.strictObject({
  ...deviceHead,
  type: TypeRef,
  connect: z.record(z.string(), z.unknown()).default({}),
  /** Before those of the type. */
  defaults: PointDefaults.optional(),
  /** Computed points only; they are checked apart. */
  points: z.record(z.string(), z.unknown()).optional(),
});
export type TypedDevice = z.infer<typeof TypedDevice>;

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
    defaults: PointDefaults.optional(),
    points: points(OpcuaPoint),
  }),
  z.strictObject({
    ...deviceHead,
    driver: z.literal('mqtt'),
    connect: MqttConnect,
    defaults: PointDefaults.optional(),
    points: points(MqttPoint),
  }),
  z.strictObject({
    ...deviceHead,
    driver: z.literal('sparkplug'),
    connect: SparkplugConnect,
    defaults: PointDefaults.optional(),
    points: points(SparkplugPoint),
  }),
  z.strictObject({
    ...deviceHead,
    driver: z.literal('package'),
    ...PackageType,
    connect: PackageConnect.default({}),
    defaults: PointDefaults.optional(),
    points: points(PackagePoint),
  }),
  z.strictObject({
    ...deviceHead,
    driver: z.literal('host'),
    connect: HostConnect.prefault({}),
    defaults: PointDefaults.optional(),
    points: points(HostPoint),
  }),
]);

export const CONNECT_SCHEMAS = {
  modbus: ModbusConnect,
  opcua: OpcuaConnect,
  mqtt: MqttConnect,
  sparkplug: SparkplugConnect,
  package: PackageConnect,
  host: HostConnect,
} as const;
export type DriverName = keyof typeof CONNECT_SCHEMAS;

/** A device ready to run: type and instance merged, defaults applied, everything checked. */
export type DeviceSpec = z.infer<typeof InlineDevice> & {
  readonly type?: string;
  /** Points that are worked out of others: no driver knows them. */
  readonly computed?: Readonly<Record<PointId, ComputedPoint>>;
};
export type DeviceSpecOf<D extends DriverName> = Extract<DeviceSpec, { driver: D }>;
/** A point of any driver, its common part. */
export type PointSpec = DeviceSpec['points'][PointId];

/** A point of any kind, as far as it is described. */
export type DescribedPoint = PointSpec | ComputedPoint;

/** The driver's points and the computed ones, under their names. */
export function describedPoints(spec: DeviceSpec): ReadonlyMap<PointId, DescribedPoint> {
  const driven = Object.entries(spec.points) as [PointId, PointSpec][];
  const computed = Object.entries(spec.computed ?? {}) as [PointId, ComputedPoint][];
  return new Map<PointId, DescribedPoint>([...driven, ...computed]);
}

export function describedPoint(spec: DeviceSpec, id: PointId): DescribedPoint | undefined {
  return spec.points[id] ?? spec.computed?.[id];
}
