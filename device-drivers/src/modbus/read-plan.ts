import { createHash } from 'node:crypto';
import type { DeviceSpecOf, PointId, PointNo, Reason } from '@millwright/protocol';
import { type MappedPoint, mapPoint } from './codec.ts';
import { type CutList, LearnedCuts } from './learned-cuts.ts';
import { type MergeRule, planReads, type ReadRange, rangeOf, splitRange } from './plan.ts';
import { ScaleFactor } from './scale-factor.ts';
import { ScanGroup } from './scan-group.ts';

type Spec = DeviceSpecOf<'modbus'>;
const DEFAULT_RHYTHM = { every: 1000, phase: 0, jitter: 0 };

/** One request's worth of a scan, or with no group a probe of a device that is down. */
export interface Block extends ReadRange<MappedPoint> {
  readonly group: ScanGroup<Block> | undefined;
  /** The two it was, when reading them as one is a trial. */
  readonly parts?: readonly [Block, Block];
  /** Unanswered requests in a row. */
  misses: number;
  /** Requests in a row to which the device said that it is busy. */
  busy: number;
  /** Set once its points were reported bad, until it is answered again. */
  trouble: Reason | undefined;
  notBeforeMs: number;
  sentAtMs: number;
}

/** Which requests serve a device's points, and what was learned about merging them. Makes no request itself. */
export class ReadPlan {
  readonly points: ReadonlyMap<PointId, MappedPoint>;
  readonly groups: readonly ScanGroup<Block>[];
  /** Changes whenever the same requests can no longer be meant. */
  readonly fingerprint: string;
  readonly #merge: MergeRule;
  readonly #scans: ReadonlyMap<string, readonly MappedPoint[]>;
  readonly #factors = new Map<string, ScaleFactor>();
  #cuts = new LearnedCuts();

  constructor(spec: Spec, numbers: ReadonlyMap<PointId, PointNo>, random: () => number = () => 0) {
    const points = new Map<PointId, MappedPoint>();
    const scans = new Map<string, MappedPoint[]>();
    for (const { scaleFrom } of Object.values(spec.points)) {
      if (scaleFrom !== undefined && !this.#factors.has(scaleFrom))
        this.#factors.set(scaleFrom, new ScaleFactor());
    }
    for (const [name, point] of Object.entries(spec.points)) {
      const id = name as PointId;
      const no = numbers.get(id);
      if (no === undefined) continue;
      const mapped = mapPoint(id, no, point, spec.defaults, this.#factors);
      points.set(id, mapped);
      const scan = point.scan ?? spec.defaults.scan ?? Object.keys(spec.scans)[0] ?? 'default';
      const others = scans.get(scan);
      if (others === undefined) scans.set(scan, [mapped]);
      else others.push(mapped);
    }
    this.points = points;
    this.#scans = scans;
    const { base } = spec.defaults;
    this.#merge = { ...spec.merge, avoid: spec.merge.avoid.map(([a, b]) => [a - base, b - base] as const) };
    this.groups = [...scans.keys()].map(
      (name) => new ScanGroup<Block>(name, spec.scans[name] ?? DEFAULT_RHYTHM, random),
    );
    const registers = [...points.values()].map(({ table, address, width }) => `${table}:${address}+${width}`);
    const described = JSON.stringify([spec.connect.unit, this.#merge, registers.sort()]);
    this.fingerprint = createHash('sha256').update(described).digest('hex').slice(0, 16);
    this.learn([]);
  }

  /** Plans anew with what is known about the device. */
  learn(cuts: CutList): void {
    this.#cuts = new LearnedCuts(cuts);
    for (const group of this.groups) {
      const ranges = planReads(this.#scans.get(group.name) ?? [], this.#merge, this.#cuts);
      group.blocks = ranges.map((range) => blockOf(range, group));
    }
  }

  /** What the device said about itself may not hold for whoever answers next. */
  forgetFactors(): void {
    for (const factor of this.#factors.values()) factor.forget();
  }

  learned(): CutList {
    return this.#cuts.list();
  }

  /**
   * Asks for a block's halves from now on.
   * @param isRefused the device said that it does not have the whole: worth remembering
   * @returns whether there was anything to split
   */
  split(block: Block, isRefused: boolean): boolean {
    const { group } = block;
    if (group === undefined) return false;
    if (block.parts !== undefined) {
      const [, right] = block.parts;
      this.#cuts.prove(right.table, right.address);
      group.replace(block, block.parts);
      return true;
    }
    const halves = splitRange(block);
    if (halves === null) return false;
    const misses = Math.max(0, block.misses - 1);
    group.replace(
      block,
      halves.map((half) => ({ ...blockOf(half, group), misses, trouble: block.trouble })),
    );
    if (isRefused) this.#cuts.add(block.table, halves[1].address);
    return true;
  }

  /** The device has answered a block: two that were read as one for a trial stay one. @returns whether that is news */
  confirm(block: Block): boolean {
    const { group, parts } = block;
    if (group === undefined || parts === undefined) return false;
    this.#cuts.drop(parts[1].table, parts[1].address);
    const place = group.blocks.indexOf(block);
    if (place !== -1) group.blocks[place] = blockOf(block, group);
    return true;
  }

  /** Reads two neighbours as one again, if they were parted while something else was searched. Between scans. */
  tryJoin(group: ScanGroup<Block>): void {
    if (!this.#cuts.hasDoubts) return;
    for (let at = 0; at + 1 < group.blocks.length; at++) {
      const left = group.blocks[at];
      const right = group.blocks[at + 1];
      if (left === undefined || right === undefined) continue;
      const { table, address } = right;
      if (left.table !== table || !this.#cuts.isDoubtful(table, address)) continue;
      const whole = rangeOf([...left.points, ...right.points]);
      const isHopeless = left.trouble !== undefined || right.trouble !== undefined;
      if (isHopeless || planReads(whole.points, this.#merge).length !== 1) {
        this.#cuts.prove(table, address);
        continue;
      }
      group.blocks.splice(at, 2, { ...blockOf(whole, group), parts: [left, right] });
      return;
    }
  }
}

export function blockOf(range: ReadRange<MappedPoint>, group: ScanGroup<Block> | undefined): Block {
  const { table, address, width, points } = range;
  const fresh = { misses: 0, busy: 0, trouble: undefined, notBeforeMs: 0, sentAtMs: 0 };
  return { table, address, width, points, group, ...fresh };
}
