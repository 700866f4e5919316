import type { OpcuaPoint } from '@millwright/protocol';
import { AttributeIds, type ClientSession, DataType, findBasicDataType, NodeId } from 'node-opcua-client';
import type { FoundNode } from './crawl.ts';
import { chunks } from './limits.ts';

const SCALAR_OR_ANY = -1;
const CURRENT_READ = 0x01;
const CURRENT_WRITE = 0x02;
const ATTRIBUTES = [AttributeIds.DataType, AttributeIds.ValueRank, AttributeIds.UserAccessLevel] as const;
const MAX_ID = 128;

export interface DescribedPoint {
  readonly id: string;
  readonly node: string;
  readonly as: OpcuaPoint['as'];
  readonly label?: string;
  readonly isWritable: boolean;
}

/** Why variables are no points, and how many each. */
export type LeftOut = Map<string, number>;

/** Makes points of variables: those that hold one value of a kind that points can have, and may be read. */
export class PointDescriber {
  readonly leftOut: LeftOut = new Map();
  readonly #session: ClientSession;
  readonly #nodesPerRead: number;
  readonly #kinds = new Map<string, Promise<OpcuaPoint['as'] | undefined>>();
  readonly #ids = new Set<string>();

  constructor(deps: { readonly session: ClientSession }, config: { readonly nodesPerRead: number }) {
    this.#session = deps.session;
    this.#nodesPerRead = Math.max(ATTRIBUTES.length, config.nodesPerRead);
  }

  async describe(variables: readonly FoundNode[]): Promise<DescribedPoint[]> {
    const points: DescribedPoint[] = [];
    for (const some of chunks(variables, Math.floor(this.#nodesPerRead / ATTRIBUTES.length))) {
      const read = await this.#session.read(
        some.flatMap(({ nodeId }) => ATTRIBUTES.map((attributeId) => ({ nodeId, attributeId }))),
      );
      for (const [index, variable] of some.entries()) {
        const values: unknown[] = read
          .slice(index * ATTRIBUTES.length, (index + 1) * ATTRIBUTES.length)
          .map(({ value }): unknown => value.value);
        const point = await this.#pointOf(variable, values);
        if (typeof point === 'string') this.leftOut.set(point, (this.leftOut.get(point) ?? 0) + 1);
        else points.push(point);
      }
    }
    return points;
  }

  async #pointOf({ nodeId, path }: FoundNode, [dataType, rank, access]: readonly unknown[]) {
    if (typeof rank === 'number' && rank > SCALAR_OR_ANY) return 'arrays';
    if (typeof access === 'number' && (access & CURRENT_READ) === 0) return 'values that may not be read';
    const as = dataType instanceof NodeId ? await this.#kindOf(dataType) : undefined;
    if (as === undefined) return 'values of a kind that points cannot have';
    const node = nodeId.replace(/^ns=0;/, '');
    const label = path.at(-1);
    return {
      ...{ id: this.#idOf(path), node, as },
      ...(label === undefined ? {} : { label: label.slice(0, 200) }),
      isWritable: typeof access === 'number' && (access & CURRENT_WRITE) !== 0,
    };
  }

  #kindOf(dataType: NodeId): Promise<OpcuaPoint['as'] | undefined> {
    const key = dataType.toString();
    const known = this.#kinds.get(key);
    if (known !== undefined) return known;
    const kind = findBasicDataType(this.#session, dataType).then(kindOf, () => undefined);
    this.#kinds.set(key, kind);
    return kind;
  }

  /** The way to the node, without what it has in common with no one: `Press.Hydraulics.Oil_temperature`. */
  #idOf(path: readonly string[]): string {
    const names = path.map((name) =>
      name.replaceAll(/[^A-Za-z0-9_-]+/g, '_').replaceAll(/^[_-]+|[_-]+$/g, ''),
    );
    const whole = names.filter((name) => name !== '').join('.') || 'value';
    const short = whole.slice(-(MAX_ID - 8)).replaceAll(/^[^A-Za-z0-9_]+|[^A-Za-z0-9_]+$/g, '');
    let id = short;
    for (let no = 2; this.#ids.has(id); no++) id = `${short}_${no}`;
    this.#ids.add(id);
    return id;
  }
}

function kindOf(dataType: DataType): OpcuaPoint['as'] | undefined {
  switch (dataType) {
    case DataType.Boolean:
      return 'bool';
    case DataType.String:
    case DataType.LocalizedText:
    case DataType.DateTime:
      return 'text';
    case DataType.Float:
    case DataType.Double:
      return 'float64';
    case DataType.SByte:
    case DataType.Int16:
    case DataType.Int32:
    case DataType.Int64:
      return 'int64';
    case DataType.Byte:
    case DataType.UInt16:
    case DataType.UInt32:
    case DataType.UInt64:
      return 'uint64';
    default:
      return undefined;
  }
}
