import type { DeviceSlug, PointId, Reason } from '@millwright/protocol';
import type { DriverDevice } from '../driver.ts';
import type { Outcome, Target } from './bus.ts';
import type { MappedPoint } from './codec.ts';
import { exceptionOf } from './exception.ts';
import { rangeOf } from './plan.ts';
import { type Block, blockOf, ReadPlan } from './read-plan.ts';
import type { Reporter } from './reporter.ts';
import type { ScanGroup } from './scan-group.ts';

/** Requests in a row that must go unanswered before a device that answered counts as unreachable. */
const MISSES_UNTIL_DOWN = 3;
const FIRST_PROBE_MS = 1000;
const SLOWEST_LONE_PROBE_MS = 5000;
const SLOWEST_PROBE_MS = 60_000;
/** How long a range that the device refuses or ignores is left alone. */
const REFUSED_RETRY_MS = 60_000;
const IGNORED_RETRY_MS = 10_000;
/** Probing dead devices may take this part of a line's time. */
const PROBE_SHARE = 0.05;
/** A busy device is left alone, longer each time; its points turn bad only when it stays busy. */
const FIRST_BUSY_PAUSE_MS = 100;
const SLOWEST_BUSY_PAUSE_MS = 2000;
const BUSY_UNTIL_BAD = 5;

/** What the device needs to know of its line. */
export interface LineLoad {
  /** Sum of the timeouts of the line's unreachable devices. */
  readonly deadTimeoutsMs: number;
  readonly hasLiveDevices: boolean;
}

/** One unit on a line: what is to be read when, and whether it is there. Makes no request itself. */
export class PolledDevice {
  readonly slug: DeviceSlug;
  readonly target: Target;
  readonly plan: ReadPlan;
  state: 'unknown' | 'up' | 'down' = 'unknown';
  /** Requests under way, polls or not. */
  underWay = 0;
  /** While a request waits for the unit or is under way no poll may come between. */
  claim: 'none' | 'waited for' | 'served' = 'none';
  /** Whether `plan` has learned something that is not kept yet. */
  hasLearned = false;
  readonly #reporter: Reporter;
  readonly #random: () => number;
  #misses = 0;
  #lastMissMs = Number.NEGATIVE_INFINITY;
  #busy = 0;
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
    this.plan = new ReadPlan(spec, numbers, deps.random);
  }

  get points(): ReadonlyMap<PointId, MappedPoint> {
    return this.plan.points;
  }

  get isLate(): boolean {
    return this.plan.groups.some((group) => group.isLate);
  }

  /** Forgets everything about the device's presence, for a new start. */
  reset(nowMs: number): void {
    this.state = 'unknown';
    this.#misses = 0;
    this.#busy = 0;
    this.#probes = 0;
    this.#quietUntilMs = 0;
    this.underWay = 0;
    this.claim = 'none';
    for (const group of this.plan.groups) {
      group.restart(nowMs);
      for (const block of group.blocks)
        Object.assign(block, { misses: 0, busy: 0, trouble: undefined, notBeforeMs: 0 });
    }
  }

  /** The next read that is due; a scan in progress is finished before another of the same group begins. */
  due(nowMs: number): Block | undefined {
    if (nowMs < this.#quietUntilMs || !this.#mayPoll()) return undefined;
    if (this.state === 'down') return nowMs >= this.#probeAtMs ? this.#probe() : undefined;
    const { groups } = this.plan;
    for (let i = 0; i < groups.length; i++) {
      const group = groups[(this.#turn + i) % groups.length];
      if (group === undefined) continue;
      if (group.isIdle && group.dueAtMs() <= nowMs) this.plan.tryJoin(group);
      const block = group.next(nowMs);
      if (block === undefined) continue;
      this.#turn = (this.#turn + i + 1) % groups.length;
      this.#noteOverrun(group);
      return block;
    }
    return undefined;
  }

  /** When `due` may next have something, unless a request ends before. */
  dueAtMs(): number {
    if (this.points.size === 0 || !this.#mayPoll()) return Number.POSITIVE_INFINITY;
    let earliestMs = this.#probeAtMs;
    if (this.state !== 'down') {
      earliestMs = Number.POSITIVE_INFINITY;
      for (const group of this.plan.groups) earliestMs = Math.min(earliestMs, group.dueAtMs());
    }
    return Math.max(earliestMs, this.#quietUntilMs);
  }

  /** Takes the outcome of a read that `due` named. */
  settle(block: Block, outcome: Outcome<Uint8Array>, nowMs: number, load: LineLoad): void {
    if (outcome.ok) {
      this.answered(nowMs);
      block.misses = 0;
      block.busy = 0;
      block.trouble = undefined;
      if (block.group === undefined) return;
      if (block.parts !== undefined && this.plan.confirm(block)) this.hasLearned = true;
      block.group.done();
      this.#reporter.values(block, outcome.data);
      return;
    }
    const meaning = outcome.why === 'exception' ? exceptionOf(outcome.code) : undefined;
    if (outcome.why === 'closed') {
      block.group?.again(block);
    } else if (meaning === undefined || meaning === 'unreachable') {
      this.#unanswered(block, outcome.why === 'garbled' ? 'device-error' : 'timeout', nowMs, load);
    } else {
      this.answered(nowMs);
      block.misses = 0;
      if (block.group === undefined) return;
      if (meaning === 'busy') this.#busyWith(block, block.group, nowMs);
      else this.#refused(block, block.group, meaning, nowMs);
    }
  }

  /** The device has answered, whatever it said. */
  answered(nowMs: number): void {
    this.#misses = 0;
    this.#busy = 0;
    this.#quietUntilMs = 0;
    if (this.state === 'up') return;
    if (this.state === 'down') for (const group of this.plan.groups) group.resume(nowMs);
    this.state = 'up';
    this.#probes = 0;
    this.#reporter.state(this.slug, { online: true });
  }

  /**
   * The device has not answered a request in time. Several that were under way together count once.
   * @returns whether it counts as unreachable now
   */
  missed(reason: Reason, sentAtMs: number, nowMs: number, load: LineLoad): boolean {
    if (sentAtMs >= this.#lastMissMs) this.#misses++;
    this.#lastMissMs = nowMs;
    if (this.state === 'down') this.#scheduleProbe(nowMs, load);
    else if (this.state === 'unknown' || this.#misses >= MISSES_UNTIL_DOWN) {
      const said = reason === 'timeout' ? 'no answer' : 'answers are no valid Modbus';
      this.lost(`unit ${this.target.unit}: ${said} within ${this.target.timeoutMs} ms`, reason);
      this.#scheduleProbe(nowMs, load);
    }
    return this.state === 'down';
  }

  /** The device is there but has no time: it is left alone for a while. */
  busy(nowMs: number): void {
    const pause = Math.min(SLOWEST_BUSY_PAUSE_MS, FIRST_BUSY_PAUSE_MS * 2 ** Math.min(this.#busy, 10));
    this.#busy++;
    this.#quietUntilMs = nowMs + pause;
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
    const blocks = this.plan.groups.flatMap((group) => group.blocks);
    // Only a range that alone was asked and alone stayed silent may be at fault once the device is back.
    if (blocks.length > 1) for (const block of blocks) block.misses = 0;
    this.plan.forgetFactors();
    this.#reporter.state(this.slug, { online: false, why });
    this.#reporter.missing(this.points.values(), reason);
  }

  /** A device that went away with the line is asked for at once; a silent unit keeps its slower schedule. */
  lineIsBack(nowMs: number): void {
    if (this.#isLineDown) this.#probeAtMs = nowMs;
    this.#isLineDown = false;
  }

  /** A device that may be away is asked one thing at a time: its silence must not cost more than one timeout. */
  #mayPoll(): boolean {
    if (this.claim !== 'none') return false;
    return this.underWay === 0 || (this.state === 'up' && this.#misses === 0);
  }

  #unanswered(block: Block, reason: Reason, nowMs: number, load: LineLoad): void {
    block.misses++;
    const isDown = this.missed(reason, block.sentAtMs, nowMs, load);
    const { group } = block;
    if (group === undefined) return;
    if (!isDown && block.misses >= MISSES_UNTIL_DOWN) {
      // It answers other requests: cheap devices ignore a read of registers they do not have.
      if (this.plan.split(block, false)) {
        this.#noteSplit(block);
        this.#misses = 0;
        return;
      }
      this.#trouble(block, reason, nowMs + IGNORED_RETRY_MS);
    }
    group.done();
  }

  #busyWith(block: Block, group: ScanGroup<Block>, nowMs: number): void {
    const earlier = block.busy++;
    this.#busy = earlier;
    this.busy(nowMs);
    if (block.busy < BUSY_UNTIL_BAD) {
      group.again(block);
      return;
    }
    this.#trouble(block, 'device-error', 0);
    group.done();
  }

  #refused(
    block: Block,
    group: ScanGroup<Block>,
    meaning: 'function' | 'address' | 'failure',
    nowMs: number,
  ): void {
    if (meaning === 'address' && this.plan.split(block, true)) {
      this.hasLearned = true;
      this.#noteSplit(block);
      return;
    }
    const reason = meaning === 'address' ? 'illegal-address' : 'device-error';
    this.#trouble(block, reason, meaning === 'failure' ? 0 : nowMs + REFUSED_RETRY_MS);
    group.done();
  }

  #noteSplit(block: Block): void {
    this.#reporter.logger.debug(
      { device: this.slug, table: block.table, from: block.address, count: block.width },
      'the device does not answer this range as a whole: reading it in two',
    );
  }

  #trouble(block: Block, reason: Reason, notBeforeMs: number): void {
    block.notBeforeMs = notBeforeMs;
    if (block.trouble === reason) return;
    block.trouble = reason;
    this.#reporter.missing(block.points, reason);
  }

  /** One point, a different range each time: the first may be the one the device ignores. */
  #probe(): Block | undefined {
    const blocks = this.plan.groups.flatMap((group) => group.blocks);
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
    const { name, periodMs, skippedTicks } = group;
    const fields = { device: this.slug, scan: name, periodMs, skippedTicks };
    if (group.isLate)
      this.#reporter.logger.warn(fields, 'the scan takes longer than its period: ticks are skipped');
    else this.#reporter.logger.info(fields, 'the scan keeps its period again');
  }
}
