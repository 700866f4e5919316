import type { PointNo, Value } from '@millwright/protocol';
import { DataType, StatusCodes, VariantArrayType, type VariantLike } from 'node-opcua-client';
import type { OPCUAServer } from 'node-opcua-server';
import type { ShownDevice, ShownPoint, ShownValue } from './messages.ts';

const DATA_TYPES = {
  float64: DataType.Double,
  int64: DataType.Int64,
  uint64: DataType.UInt64,
  bool: DataType.Boolean,
  text: DataType.String,
} as const;
const MIN_SAMPLING_MS = 100;

type Space = NonNullable<OPCUAServer['engine']['addressSpace']>;
type Namespace = ReturnType<Space['getOwnNamespace']>;
type Variable = ReturnType<Namespace['addVariable']>;
type Folder = ReturnType<Namespace['addObject']>;

/** The gateway's devices as objects, their points as variables to be read: `ns=1;s=<device>.<point>`. */
export class ShownSpace {
  readonly #space: Space;
  readonly #root: Folder;
  readonly #variables = new Map<PointNo, { readonly variable: Variable; readonly dataType: DataType }>();
  /** What each device was made from: equal words, equal device. */
  readonly #devices = new Map<string, { readonly words: string; readonly object: Folder }>();

  constructor({ space }: { readonly space: Space }, { name }: { readonly name: string }) {
    this.#space = space;
    this.#root = space.getOwnNamespace().addObject({
      organizedBy: space.rootFolder.objects,
      browseName: name,
      nodeId: 's=gateway',
    });
  }

  /** Makes `devices` the ones that are shown; those that did not change stay, with their subscriptions. */
  apply(devices: readonly ShownDevice[]): void {
    const wanted = new Map(devices.map((device) => [device.id, JSON.stringify(device)]));
    for (const [id, { words, object }] of this.#devices) {
      if (wanted.get(id) === words) continue;
      this.#space.deleteNode(object);
      this.#devices.delete(id);
    }
    const kept = new Set(devices.flatMap(({ points }) => points.map(({ no }) => no)));
    for (const no of this.#variables.keys()) if (!kept.has(no)) this.#variables.delete(no);
    for (const device of devices) if (!this.#devices.has(device.id)) this.#add(device);
  }

  show(values: readonly ShownValue[]): void {
    for (const [no, value, status, atMs] of values) {
      const shown = this.#variables.get(no);
      shown?.variable.setValueFromSource(
        variantOf(shown.dataType, value),
        StatusCodes[status],
        new Date(atMs),
      );
    }
  }

  #add(device: ShownDevice): void {
    const object = this.#space.getOwnNamespace().addObject({
      organizedBy: this.#root,
      browseName: device.id,
      displayName: device.name,
      nodeId: `s=${device.id}`,
    });
    for (const point of device.points) this.#addPoint(object, device.id, point);
    this.#devices.set(device.id, { words: JSON.stringify(device), object });
  }

  #addPoint(object: Folder, device: string, { no, id, kind, description }: ShownPoint): void {
    const dataType = DATA_TYPES[kind];
    const variable = this.#space.getOwnNamespace().addVariable({
      componentOf: object,
      browseName: id,
      nodeId: `s=${device}.${id}`,
      description,
      dataType,
      accessLevel: 'CurrentRead',
      userAccessLevel: 'CurrentRead',
      minimumSamplingInterval: MIN_SAMPLING_MS,
    });
    variable.setValueFromSource(variantOf(dataType, null), StatusCodes.BadWaitingForInitialData);
    this.#variables.set(no, { variable, dataType });
  }
}

function variantOf(dataType: DataType, value: Value): VariantLike {
  return { dataType, arrayType: VariantArrayType.Scalar, value: contentOf(dataType, value) };
}

function contentOf(dataType: DataType, value: Value): unknown {
  switch (dataType) {
    case DataType.Boolean:
      return value === true;
    case DataType.String:
      return typeof value === 'string' ? value : null;
    case DataType.Int64:
    case DataType.UInt64:
      return halvesOf(value);
    default:
      return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : 0;
  }
}

/** 64-bit integers go as their two 32-bit halves, high half first. */
function halvesOf(value: Value): [number, number] {
  const isWhole = typeof value === 'bigint' || Number.isSafeInteger(value);
  const bits = BigInt.asUintN(64, isWhole ? BigInt(value as number) : 0n);
  return [Number(bits >> 32n), Number(bits & 0xffff_ffffn)];
}
