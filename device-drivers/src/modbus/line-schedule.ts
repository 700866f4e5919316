import { type Clock, describeError, type Logger } from '@millwright/protocol';
import type { ModbusBus, Outcome } from './bus.ts';
import { Depth } from './depth.ts';
import { isWorthRepeating, offline } from './exception.ts';
import type { LineMemory } from './line-memory.ts';
import type { LineLoad, PolledDevice } from './polled-device.ts';
import type { Request, RequestQueue } from './request-queue.ts';
import { Sleepers } from './sleepers.ts';

const FIRST_RETRY_MS = 100;
const SLOWEST_RETRY_MS = 5000;
/** A lost connection is opened again once before anybody is told. */
const SILENT_CONNECTIONS_UNTIL_DOWN = 2;
/** Requests in a row without an answer from anyone: the connection itself is suspected. */
const MISSES_UNTIL_RECONNECT = 5;
/** How often a request is made to a device that says it is busy. */
const TRIES_WHEN_BUSY = 4;

export interface LineScheduleDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly bus: ModbusBus;
  readonly random: () => number;
  readonly devices: readonly PolledDevice[];
  readonly requests: RequestQueue;
  readonly memory: LineMemory;
}

export interface LineScheduleConfig {
  /** RTU and ASCII answers carry no transaction id. */
  readonly hasTransactionIds: boolean;
  /** How many requests are under way is found out, else it is the bus's slots. */
  readonly isDepthAuto: boolean;
}

/**
 * Who is asked next on a line. What people and rules ask goes before the polls; the polls take turns among the units,
 * so that no unit waits for another's whole scan. As many workers as requests may be under way share the work.
 */
export class LineSchedule implements LineLoad {
  readonly #bus: ModbusBus;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #hasTransactionIds: boolean;
  readonly #devices: readonly PolledDevice[];
  readonly #requests: RequestQueue;
  readonly #memory: LineMemory;
  readonly #depth: Depth;
  readonly #sleepers: Sleepers;
  readonly #workers = new Map<number, Promise<void>>();
  #underWay = 0;
  #turn = 0;
  /** Connections in a row, tried or opened, on which nobody has answered. */
  #silentConnections = 0;
  #misses = 0;

  constructor(deps: LineScheduleDeps, config: LineScheduleConfig) {
    this.#bus = deps.bus;
    this.#clock = deps.clock;
    this.#random = deps.random;
    this.#devices = deps.devices;
    this.#requests = deps.requests;
    this.#memory = deps.memory;
    this.#hasTransactionIds = config.hasTransactionIds;
    this.#depth = new Depth(deps, config.isDepthAuto);
    this.#sleepers = new Sleepers(deps);
  }

  get deadTimeoutsMs(): number {
    return this.#devices.reduce(
      (sum, { state, target }) => sum + (state === 'down' ? target.timeoutMs : 0),
      0,
    );
  }

  get hasLiveDevices(): boolean {
    return this.#devices.some((device) => device.state === 'up');
  }

  /** Something new is to be done: a request was queued, or the end has come. */
  wake(): void {
    this.#sleepers.wakeAll();
  }

  /** Serves the devices until `signal` aborts. */
  async serve(signal: AbortSignal): Promise<void> {
    await this.#memory.load();
    this.#silentConnections = 0;
    const nowMs = this.#clock.monotonicMs();
    for (const device of this.#devices) {
      device.plan.learn(this.#memory.cutsOf(device.slug, device.plan.fingerprint));
      device.reset(nowMs);
    }
    await this.#work(0, signal);
    await Promise.all(this.#workers.values());
  }

  /** The first worker also opens the connection; the others live while there is one and enough may be under way. */
  async #work(worker: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && (worker === 0 || worker < this.#depth.now)) {
      if (!this.#bus.isOpen) {
        if (worker > 0) return;
        await this.#connect(signal);
        continue;
      }
      const nowMs = this.#clock.monotonicMs();
      const request = this.#requests.next(nowMs, () => this.#pollDueAtMs() <= nowMs);
      if (request !== undefined) {
        if (this.#sleepers.any) this.#sleepers.wakeOne();
        await this.#perform(request, signal);
        continue;
      }
      const device = this.#nextDevice(nowMs);
      if (device === undefined) await this.#sleepers.sleep(this.#dueAtMs() - nowMs);
      else await this.#poll(device, nowMs, signal);
    }
  }

  async #poll(device: PolledDevice, nowMs: number, signal: AbortSignal): Promise<void> {
    const block = device.due(nowMs);
    if (block === undefined) return;
    if (this.#sleepers.any && this.#dueAtMs() <= nowMs) this.#sleepers.wakeOne();
    if (device.isLate && this.#depth.growFor(nowMs)) this.#employ(signal);
    block.sentAtMs = nowMs;
    device.underWay++;
    const others = this.#underWay++;
    const outcome = await this.#bus.read(device.target, block.table, block.address, block.width);
    const underWay = Math.max(others + 1, this.#underWay--);
    device.underWay--;
    if (signal.aborted) return;
    const settledMs = this.#clock.monotonicMs();
    if (!isAnswer(outcome) && this.#depth.takesBlame(underWay, settledMs)) {
      block.group?.again(block);
      return;
    }
    device.settle(block, outcome, settledMs, this);
    this.#note(device, outcome, settledMs);
    if (!device.hasLearned) return;
    device.hasLearned = false;
    this.#memory.keep(device.slug, device.plan.fingerprint, device.plan.learned());
  }

  async #perform(request: Request, signal: AbortSignal): Promise<void> {
    const { device } = request;
    const sentAtMs = this.#clock.monotonicMs();
    device.claim = 'served';
    device.underWay++;
    this.#underWay++;
    const outcome = await request.run();
    this.#underWay--;
    device.underWay--;
    device.claim = 'none';
    const nowMs = this.#clock.monotonicMs();
    const isBusy = !outcome.ok && outcome.why === 'exception' && isWorthRepeating(outcome.code);
    request.tries++;
    if (isBusy && request.tries < TRIES_WHEN_BUSY && !signal.aborted) {
      device.busy(nowMs);
      this.#requests.putBack(request);
      return;
    }
    request.finish(outcome);
    if (signal.aborted) return;
    if (isAnswer(outcome)) device.answered(nowMs);
    else if (!outcome.ok && outcome.why !== 'closed')
      device.missed(outcome.why === 'timeout' ? 'timeout' : 'device-error', sentAtMs, nowMs, this);
    this.#note(device, outcome, nowMs);
  }

  /** Whose turn it is among those with something due. */
  #nextDevice(nowMs: number): PolledDevice | undefined {
    const count = this.#devices.length;
    for (let i = 0; i < count; i++) {
      const turn = (this.#turn + i) % count;
      const device = this.#devices[turn];
      if (device === undefined || device.dueAtMs() > nowMs) continue;
      this.#turn = (turn + 1) % count;
      this.#requests.yielded();
      return device;
    }
    return undefined;
  }

  /** What an outcome says about the connection, beyond the one device. */
  #note(device: PolledDevice, outcome: Outcome<unknown>, nowMs: number): void {
    if (isAnswer(outcome)) {
      this.#depth.answered();
      this.#silentConnections = 0;
      this.#misses = 0;
      return;
    }
    if (outcome.ok || outcome.why === 'closed') return;
    if (!this.#hasTransactionIds) device.keepQuiet(nowMs + device.target.timeoutMs);
    this.#misses++;
    if (this.#misses < MISSES_UNTIL_RECONNECT) return;
    this.#misses = 0;
    this.#bus.close();
    this.#sleepers.wakeAll();
  }

  async #connect(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#workers.values());
    if (!signal.aborted && this.#silentConnections > 0) await this.#sleepers.sleep(this.#retryMs());
    if (signal.aborted) return;
    this.#silentConnections++;
    try {
      await this.#bus.open({ signal, onClose: (why) => this.#lost(why) });
    } catch (error) {
      if (signal.aborted) return;
      for (const device of this.#devices) device.lost(describeError(error), 'disconnected');
      return;
    }
    if (signal.aborted) return this.#bus.close();
    this.#misses = 0;
    this.#depth.opened();
    for (const device of this.#devices) device.lineIsBack(this.#clock.monotonicMs());
    this.#employ(signal);
  }

  /** As many workers as requests may be under way. */
  #employ(signal: AbortSignal): void {
    for (let worker = 1; worker < this.#depth.now; worker++) {
      if (this.#workers.has(worker)) continue;
      const done = this.#work(worker, signal).finally(() => this.#workers.delete(worker));
      this.#workers.set(worker, done);
    }
  }

  #lost(why: string): void {
    if (this.#silentConnections >= SILENT_CONNECTIONS_UNTIL_DOWN) {
      for (const device of this.#devices) device.lost(why, 'disconnected');
    }
    for (const request of this.#requests.drain()) request.cancel(offline(request.device.slug, why));
    this.#sleepers.wakeAll();
  }

  #retryMs(): number {
    const grown = FIRST_RETRY_MS * 2 ** Math.min(this.#silentConnections - 1, 10);
    return Math.min(SLOWEST_RETRY_MS, grown) * (0.5 + 0.5 * this.#random());
  }

  /** When a poll falls due or a waiting request may be made. */
  #dueAtMs(): number {
    return Math.min(this.#pollDueAtMs(), this.#requests.dueAtMs());
  }

  #pollDueAtMs(): number {
    let least = Number.POSITIVE_INFINITY;
    for (const device of this.#devices) least = Math.min(least, device.dueAtMs());
    return least;
  }
}

function isAnswer(outcome: Outcome<unknown>): boolean {
  return outcome.ok || outcome.why === 'exception';
}
