/** Modbus' four address spaces; `coil` and `discrete` hold bits, the others 16-bit registers. */
export type Table = 'holding' | 'input' | 'coil' | 'discrete';

export interface Mapped {
  readonly table: Table;
  /** Zero-based protocol address. */
  readonly address: number;
  /** Registers, or bits in the bit tables. */
  readonly width: number;
}

/** One request and the points its answer serves, in address order. */
export interface ReadRange<P extends Mapped> {
  readonly table: Table;
  readonly address: number;
  readonly width: number;
  readonly points: readonly P[];
}

export interface MergeRule {
  /** Unused registers worth reading to save a request. */
  readonly maxGap: number;
  readonly maxRegisters: number;
  /** Registers, first and last, never read merely because they lie between two points. */
  readonly avoid: readonly (readonly [number, number])[];
}

/** Addresses that no request may reach across from below. */
export interface Cuts {
  has(table: Table, at: number): boolean;
}

/** What one request may ask for. @see Modbus Application Protocol V1.1b3 §6.1, §6.3 */
export const MAX_REGISTERS = 125;
export const MAX_BITS = 2000;
const BITS_PER_REGISTER = 16;

export function isBitTable(table: Table): boolean {
  return table === 'coil' || table === 'discrete';
}

/**
 * Groups points into as few requests as the rule allows. Tables are never mixed; in the bit tables the
 * rule's registers count 16 bits each, because that is what costs the same on the wire.
 * A point that itself lies in an avoided range is read alone.
 */
export function planReads<P extends Mapped>(
  points: readonly P[],
  merge: MergeRule,
  cuts?: Cuts,
): ReadRange<P>[] {
  const ranges: ReadRange<P>[] = [];
  for (const table of ['holding', 'input', 'coil', 'discrete'] as const) {
    const sorted = points.filter((point) => point.table === table).sort((a, b) => a.address - b.address);
    const bits = isBitTable(table);
    const maxGap = merge.maxGap * (bits ? BITS_PER_REGISTER : 1);
    const maxWidth = bits
      ? Math.min(MAX_BITS, merge.maxRegisters * BITS_PER_REGISTER)
      : Math.min(MAX_REGISTERS, merge.maxRegisters);
    let open: P[] = [];
    let end = 0;
    for (const point of sorted) {
      const first = open[0];
      const joins =
        first !== undefined &&
        point.address - end <= maxGap &&
        Math.max(end, endOf(point)) - first.address <= maxWidth &&
        cuts?.has(table, point.address) !== true &&
        !touches(merge.avoid, end, point.address) &&
        !touches(merge.avoid, point.address, endOf(point)) &&
        !touches(merge.avoid, first.address, endOf(first));
      if (!joins && open.length > 0) {
        ranges.push(rangeOf(open));
        open = [];
      }
      end = open.length === 0 ? endOf(point) : Math.max(end, endOf(point));
      open.push(point);
    }
    if (open.length > 0) ranges.push(rangeOf(open));
  }
  return ranges;
}

/**
 * Cuts a range the device refused in two, at its widest gap, among equals nearest to the middle:
 * repeated on whichever half is refused again, it finds the illegal registers in few requests.
 * @returns null when a single point is left
 */
export function splitRange<P extends Mapped>(range: ReadRange<P>): [ReadRange<P>, ReadRange<P>] | null {
  const { points } = range;
  let cut = 0;
  let widest = Number.NEGATIVE_INFINITY;
  let end = 0;
  points.forEach((point, index) => {
    const gap = point.address - end;
    const nearer = Math.abs(2 * index - points.length) < Math.abs(2 * cut - points.length);
    if (index > 0 && (gap > widest || (gap === widest && nearer))) {
      widest = gap;
      cut = index;
    }
    end = Math.max(end, endOf(point));
  });
  if (cut === 0) return null;
  return [rangeOf(points.slice(0, cut)), rangeOf(points.slice(cut))];
}

export function rangeOf<P extends Mapped>(points: readonly P[]): ReadRange<P> {
  const address = Math.min(...points.map((point) => point.address));
  const end = Math.max(...points.map(endOf));
  return { table: points[0]?.table ?? 'holding', address, width: end - address, points };
}

function endOf(point: Mapped): number {
  return point.address + point.width;
}

/** Whether [from, to) has an address inside one of the inclusive ranges. */
function touches(ranges: MergeRule['avoid'], from: number, to: number): boolean {
  return from < to && ranges.some(([first, last]) => first < to && last >= from);
}
