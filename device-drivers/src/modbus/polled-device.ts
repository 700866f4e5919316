import type { DeviceSlug, PointId, Reason } from '@millwright/protocol';
import type { DriverDevice } from '../driver.ts';
import type { Outcome, Target } from './bus.ts';
import { type MappedPoint, mapPoint } from './codec.ts';
import { planReads, type ReadRange, rangeOf, splitRange } from './plan.ts';
import type { Reporter } from './reporter.ts';
import { ScanGroup } from './scan-group.ts';

/** Requests in a row that must go unanswered before a device that answered counts as unreachable. */
const MISSES_UNTIL_DOWN = 3;
const FIRST_PROBE_MS = 1000;
const SLOWEST_LONE_PROBE_MS = 5000;
const SLOWEST_PROBE_MS = 60_000;
/** How long a range that the device refuses or ignores is left alone. */
const REFUSED_RETRY_MS = 60_000;
const IGNORED_RETRY_MS = 10_000;
/** Probing dead devices may take this part of a line's time. */
const PROBE_SHARE = 0.1;

/** One request's worth of a scan, or with no group a probe of a device that is down. */
export interface Block extends ReadRange<MappedPoint> {
  readonly group: ScanGroup<Block> | undefined;
  /** Unanswered requests in a row. */
  misses: number;
  /** Set once its points were reported bad, until it is answered again. */
  trouble: Reason | undefined;
  notBeforeMs: number;
}

/** What the device needs to know of its line. */
export interface LineLoad {
  /** Sum of the timeouts of the line's unreachable devices. */
  readonly deadTimeoutsMs: number;
  readonly hasLiveDevices: boolean;
}

/**
 * One unit on a line: what is to be read when, and whether it is there. Makes no request itself.
 */
export class PolledDevice {
  readonly slug: DeviceSlug;
  readonly target: Target;
  readonly points: ReadonlyMap<PointId, MappedPoint>;
  readonly groups: readonly ScanGroup<Block>[];
  state: 'unknown' | 'up' | 'down' = 'unknown';
  readonly #reporter: Reporter;
  readonly #random: () => number;
  #misses = 0;
  #probes = 0;
  #probeAtMs = 0;
  #quietUntilMs = 0;
  #isLineDown = false;
  #turn = 0;

  constructor(device: DriverDevice<'modbus'>, deps: { reporter: Reporter; random: () => number }) {
    const { spec, numbers } = device;
    this.slug = spec.id;
    this.target = { unit: spec.connect.unit, timeoutMs: spec.connect.timeout };
    this.#reporter = deps.reporter;
    this.#random = deps.random;
    const points = new Map<PointId, MappedPoint>();
    const scans = new Map<string, MappedPoint[]>();
    for (const [name, point] of Object.entries(spec.points)) {
      const id = name as PointId;
      const no = numbers.get(id);
      if (no === undefined) continue;
      const mapped = mapPoint(id, no, point, spec.defaults);
      points.set(id, mapped);
      const scan = point.scan ?? spec.defaults.scan ?? Object.keys(spec.scans)[0] ?? 'default';
      scans.set(scan, [...(scans.get(scan) ?? []), mapped]);
    }
    this.points = points;
    const { base } = spec.defaults;
    const merge = { ...spec.merge, avoid: spec.merge.avoid.map(([a, b]) => [a - base, b - base] as const) };
    this.groups = [...scans].map(([name, mapped]) => {
      const group = new ScanGroup<Block>(name, spec.scans[name] ?? 1000);
      group.blocks = planReads(mapped, merge).map((range) => blockOf(range, group));
      return group;
    });
  }

  /** Forgets everything that was learned about the device's presence, for a new start. */
  reset(nowMs: number): void {
    this.state = 'unknown';
    this.#misses = 0;
    this.#probes = 0;
    this.#quietUntilMs = 0;
    for (const group of this.groups) {
      group.restart(nowMs);
      for (const block of group.blocks)
        Object.assign(block, { misses: 0, trouble: undefined, notBeforeMs: 0 });
    }
  }

  /** The next read that is due; a scan in progress is finished before another of the same group begins. */
  due(nowMs: number): Block | undefined {
    if (nowMs < this.#quietUntilMs) return undefined;
    if (this.state === 'down') return nowMs >= this.#probeAtMs ? this.#probe() : undefined;
    for (let i = 0; i < this.groups.length; i++) {
      const group = this.groups[(this.#turn + i) % this.groups.length];
      const block = group?.next(nowMs);
      if (group === undefined || block === undefined) continue;
      this.#turn = (this.#turn + i + 1) % this.groups.length;
      this.#noteOverrun(group);
      return block;
    }
    return undefined;
  }

  /** When `due` may next have something. */
  dueAtMs(): number {
    if (this.points.size === 0) return Number.POSITIVE_INFINITY;
    let earliestMs = this.#probeAtMs;
    if (this.state !== 'down') {
      earliestMs = Number.POSITIVE_INFINITY;
      for (const group of this.groups) earliestMs = Math.min(earliestMs, group.dueAtMs());
    }
    return Math.max(earliestMs, this.#quietUntilMs);
  }

  /** Takes the outcome of a read that `due` named. */
  settle(block: Block, outcome: Outcome<Uint8Array>, nowMs: number, load: LineLoad): void {
    if (outcome.ok) {
      this.answered(nowMs);
      block.misses = 0;
      block.trouble = undefined;
      if (block.group === undefined) return;
      block.group.advance(nowMs);
      this.#reporter.values(block, outcome.data);
    } else if (outcome.why === 'closed') {
      // The same block is asked again once the line is back.
    } else if (outcome.why === 'exception' && !isRelayFailure(outcome.code)) {
      this.answered(nowMs);
      block.misses = 0;
      this.#refused(block, outcome.code, nowMs);
    } else {
      this.#unanswered(block, outcome.why === 'garbled' ? 'device-error' : 'timeout', nowMs, load);
    }
  }

  /** The device has answered, whatever it said. */
  answered(nowMs: number): void {
    this.#misses = 0;
    this.#quietUntilMs = 0;
    if (this.state === 'up') return;
    if (this.state === 'down') for (const group of this.groups) group.restart(nowMs);
    this.state = 'up';
    this.#probes = 0;
    this.#reporter.state(this.slug, { online: true });
  }

  /** The device has not answered a request in time. @returns whether it counts as unreachable now */
  missed(reason: Reason, nowMs: number, load: LineLoad): boolean {
    this.#misses++;
    if (this.state === 'down') this.#scheduleProbe(nowMs, load);
    else if (this.state === 'unknown' || this.#misses >= MISSES_UNTIL_DOWN) {
      const said = reason === 'timeout' ? 'no answer' : 'answers are no valid Modbus';
      this.lost(`unit ${this.target.unit}: ${said} within ${this.target.timeoutMs} ms`, reason);
      this.#scheduleProbe(nowMs, load);
    }
    return this.state === 'down';
  }

  /** A late answer could be taken for the next one: the unit is left alone for a while. */
  keepQuiet(untilMs: number): void {
    this.#quietUntilMs = untilMs;
  }

  get quietUntilMs(): number {
    return this.#quietUntilMs;
  }

  /** The device cannot be reached; told when it was not known already. */
  lost(why: string, reason: Reason): void {
    this.#isLineDown = reason === 'disconnected';
    if (this.state === 'down') return;
    this.state = 'down';
    this.#probes = 0;
    const blocks = this.groups.flatMap((group) => group.blocks);
    // Only a range that alone was asked and alone stayed silent may be at fault once the device is back.
    if (blocks.length > 1) for (const block of blocks) block.misses = 0;
    this.#reporter.state(this.slug, { online: false, why });
    this.#reporter.missing(this.points.values(), reason);
  }

  /** A device that went away with the line is asked for at once; a silent unit keeps its slower schedule. */
  lineIsBack(nowMs: number): void {
    if (this.#isLineDown) this.#probeAtMs = nowMs;
    this.#isLineDown = false;
  }

  #unanswered(block: Block, reason: Reason, nowMs: number, load: LineLoad): void {
    block.misses++;
    const isDown = this.missed(reason, nowMs, load);
    if (isDown || block.group === undefined) return;
    if (block.misses >= MISSES_UNTIL_DOWN) {
      // It answers other requests: cheap devices ignore a read of registers they do not have.
      if (this.#split(block)) {
        this.#misses = 0;
        return;
      }
      this.#trouble(block, reason, nowMs + IGNORED_RETRY_MS);
    }
    block.group.advance(nowMs);
  }

  #refused(block: Block, code: number, nowMs: number): void {
    const { group } = block;
    if (group === undefined) return;
    const isAddress = code === 2 || code === 3;
    if (isAddress && this.#split(block)) return;
    const isPermanent = isAddress || code === 1;
    this.#trouble(
      block,
      isAddress ? 'illegal-address' : 'device-error',
      isPermanent ? nowMs + REFUSED_RETRY_MS : 0,
    );
    group.advance(nowMs);
  }

  /** Asks for the halves from now on. @returns false when there is one point only */
  #split(block: Block): boolean {
    const halves = splitRange(block);
    if (halves === null || block.group === undefined) return false;
    const { group, misses, trouble } = block;
    group.replaceCurrent(
      halves.map((half) => ({ ...blockOf(half, group), misses: Math.max(0, misses - 1), trouble })),
    );
    this.#reporter.logger.debug(
      { device: this.slug, table: block.table, from: block.address, count: block.width },
      'the device does not answer this range as a whole: reading it in two',
    );
    return true;
  }

  #trouble(block: Block, reason: Reason, notBeforeMs: number): void {
    block.notBeforeMs = notBeforeMs;
    if (block.trouble === reason) return;
    block.trouble = reason;
    this.#reporter.missing(block.points, reason);
  }

  /** One point, a different range each time: the first may be the one the device ignores. */
  #probe(): Block | undefined {
    const blocks = this.groups.flatMap((group) => group.blocks);
    const point = blocks[this.#probes % blocks.length]?.points[0];
    return point === undefined ? undefined : blockOf(rangeOf([point]), undefined);
  }

  #scheduleProbe(nowMs: number, load: LineLoad): void {
    const lone = Math.min(SLOWEST_LONE_PROBE_MS, FIRST_PROBE_MS * 2 ** Math.min(this.#probes, 10));
    const fair = load.hasLiveDevices ? load.deadTimeoutsMs / PROBE_SHARE : 0;
    const wait = Math.min(SLOWEST_PROBE_MS, Math.max(lone, fair));
    this.#probes++;
    this.#probeAtMs = nowMs + wait * (1 + 0.2 * this.#random());
  }

  #noteOverrun(group: ScanGroup<Block>): void {
    if (group.isLate === group.wasLate) return;
    group.wasLate = group.isLate;
    const fields = { device: this.slug, scan: group.name, periodMs: group.periodMs };
    if (group.isLate)
      this.#reporter.logger.warn(fields, 'the scan takes longer than its period: ticks are skipped');
    else this.#reporter.logger.info(fields, 'the scan keeps its period again');
  }
}

/** A gateway or serial server says that the unit behind it does not answer. */
function isRelayFailure(code: number): boolean {
  return code === 10 || code === 11;
}

function blockOf(range: ReadRange<MappedPoint>, group: ScanGroup<Block> | undefined): Block {
  return { ...range, group, misses: 0, trouble: undefined, notBeforeMs: 0 };
}
