import { z } from 'zod';
import { DeviceIds, type Imported, type ImportedDevice, PointCollector } from './imported.ts';

/**
 * EMQX Neuron's southbound nodes as its API exports them.
 * @see https://docs.emqx.com/en/neuron/latest/api/data-type.html
 */
const Tag = z.object({
  name: z.string(),
  address: z.string(),
  attribute: z.number().default(1),
  type: z.number(),
  description: z.string().optional(),
  decimal: z.number().optional(),
  bias: z.number().optional(),
});
const Node = z.object({
  name: z.string(),
  plugin: z.string(),
  params: z.record(z.string(), z.unknown()).default({}),
  groups: z
    .array(z.object({ group: z.string(), interval: z.number().positive(), tags: z.array(Tag).default([]) }))
    .default([]),
});
export const NeuronExport = z.object({ nodes: z.array(Node) });

const ENCODINGS: Readonly<Record<number, string>> = {
  ...{
    3: 'int16',
    4: 'uint16',
    5: 'int32',
    6: 'uint32',
    7: 'int64',
    8: 'uint64',
    9: 'float32',
    10: 'float64',
  },
  ...{ 11: 'bool', 12: 'bool', 13: 'text', 16: 'uint16', 17: 'uint32', 18: 'uint64' },
};
const WRITE = 2;
const ORDERS: Readonly<Record<string, string>> = {
  ...{ LL: 'ABCD', LB: 'BADC', BL: 'CDAB', BB: 'DCBA' },
  ...{ L: 'ABCD', B: 'BADC' },
};
const AREAS: Readonly<Record<string, string>> = { 0: 'coil', 1: 'discrete', 3: 'input', 4: 'holding' };
const BAUDS = [115_200, 57_600, 38_400, 19_200, 9600, 4800, 2400, 1800, 1200, 600];
const PARITIES = ['none', 'odd', 'even'];
/** `SLAVE!ADDRESS[.BIT or .LENGTH][#ENDIAN]` */
const ADDRESS = /^(\d{1,3})!(\d)(\d{5})(?:\.(\d{1,3})([HLDE])?)?(?:#([LB]{1,2}))?$/;

interface Address {
  readonly unit: number;
  readonly table: string;
  readonly at: number;
  readonly part: number | undefined;
  readonly textOrder: string | undefined;
  readonly order: string | undefined;
}

export function importNeuron(exported: z.infer<typeof NeuronExport>): Imported {
  const lost: string[] = [];
  const ids = new DeviceIds();
  const devices = exported.nodes.flatMap((node) => {
    if (/^modbus/i.test(node.plugin)) return devicesOf(node, ids, lost);
    lost.push(`${node.name}: nothing of it: the plugin "${node.plugin}" is not one that is imported`);
    return [];
  });
  return { devices, lost };
}

/** One device for each unit behind the node: Neuron has one node for a line. */
function devicesOf(node: z.infer<typeof Node>, ids: DeviceIds, lost: string[]): ImportedDevice[] {
  const connect = connectOf(node, lost);
  if (connect === undefined) return [];
  const names = node.groups.flatMap(({ tags }) => tags.map(({ name }) => name));
  const isClear = new Set(names).size === names.length;
  const byUnit = new Map<number, PointCollector>();
  const base = node.params.start_address === 0 || node.params.address_base === 0 ? 0 : 1;
  for (const { group, tags } of node.groups) {
    for (const tag of tags) {
      const name = isClear ? tag.name : `${group} ${tag.name}`;
      const address = parseAddress(tag.address, base);
      if (address === undefined) {
        lost.push(`${node.name}: ${name}: left out: the address "${tag.address}" is not understood`);
        continue;
      }
      const points = byUnit.get(address.unit) ?? new PointCollector(`${node.name}/${address.unit}`, lost);
      byUnit.set(address.unit, points);
      points.add(name, pointOf(tag, address, group));
    }
  }
  const scans = Object.fromEntries(
    node.groups.map(({ group, interval }) => [scanOf(group), `${interval}ms`]),
  );
  return [...byUnit].map(([unit, { points }]) => {
    const name = byUnit.size === 1 ? node.name : `${node.name} ${unit}`;
    return { id: ids.take(name), name, driver: 'modbus', connect: { ...connect, unit }, scans, points };
  });
}

function connectOf(node: z.infer<typeof Node>, lost: string[]): Record<string, unknown> | undefined {
  const { params } = node;
  const timeout = typeof params.timeout === 'number' ? { timeout: `${params.timeout}ms` } : {};
  if (params.connection_mode === 1 && params.link !== 0) {
    lost.push(`${node.name}: nothing of it: devices that call the gateway (server mode) cannot be served`);
    return undefined;
  }
  if (typeof params.device === 'string' && params.device.startsWith('/')) {
    return {
      serial: params.device,
      baud: BAUDS[Number(params.baud)] ?? 9600,
      parity: PARITIES[Number(params.parity)] ?? 'none',
      stopBits: Number(params.stop) + 1 === 2 ? 2 : 1,
      ...timeout,
    };
  }
  if (typeof params.host !== 'string') {
    lost.push(`${node.name}: nothing of it: it says neither "host" nor "device"`);
    return undefined;
  }
  for (const key of ['backup_host', 'backup_ip']) {
    if (typeof params[key] === 'string' && params[key] !== '')
      lost.push(`${node.name}: its ${key} ${params[key]}`);
  }
  const way = /rtu/i.test(node.plugin) || params.transport_mode === 1 ? 'rtuOverTcp' : 'tcp';
  return { [way]: `${params.host}:${Number(params.port ?? 502)}`, ...timeout };
}

function parseAddress(text: string, base: number): Address | undefined {
  const [, unit, area, at, part, textOrder, order] = ADDRESS.exec(text) ?? [];
  const table = AREAS[area ?? ''];
  if (unit === undefined || table === undefined || Number(at) < base) return undefined;
  return {
    ...{ unit: Number(unit), table, at: Number(at) - base },
    part: part === undefined ? undefined : Number(part),
    ...{ textOrder, order: order === undefined ? undefined : ORDERS[order] },
  };
}

function pointOf(tag: z.infer<typeof Tag>, address: Address, group: string): Record<string, unknown> {
  const as = ENCODINGS[tag.type] ?? `Neuron's type ${tag.type}`;
  const isText = as === 'text';
  const isRegister = address.table === 'holding' || address.table === 'input';
  return {
    label: tag.description === '' ? undefined : tag.description,
    ...{ table: address.table, at: address.at, as },
    bit: as === 'bool' && isRegister ? (address.part ?? 0) : undefined,
    length: isText ? Math.ceil((address.part ?? 2) / 2) : undefined,
    order: isText ? textOrderOf(address.textOrder) : address.order,
    scale: tag.decimal === undefined || tag.decimal === 0 || tag.decimal === 1 ? undefined : tag.decimal,
    offset: tag.bias === undefined || tag.bias === 0 ? undefined : tag.bias,
    scan: scanOf(group),
    write: (tag.attribute & WRITE) === 0 ? undefined : {},
  };
}

/** One character to a register (D and E) is no encoding of ours: the schema then refuses the point, and says so. */
function textOrderOf(letter: string | undefined): string | undefined {
  if (letter === undefined || letter === 'L') return 'BADC';
  return letter === 'H' ? undefined : `one character to a register (${letter})`;
}

function scanOf(group: string): string {
  return group.replaceAll(/\W+/g, '_');
}
