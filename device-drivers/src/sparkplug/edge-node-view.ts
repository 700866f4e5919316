import type { Clock } from '@millwright/protocol';
import { BirthRegister, type MetricNews } from './birth-register.ts';
import type { ReceivedPayload } from './payload.ts';
import type { DeviceMessage, EdgeNodeId, NodeMessage } from './topic.ts';

const SEQS = 256;
const MAX_DEVICES = 2000;
const ASK_AGAIN_MAX_MS = 60_000;

/** An edge node (`device` undefined) or a device behind it. */
export interface Target extends EdgeNodeId {
  readonly device: string | undefined;
}

export interface ViewListener {
  readonly onBirth: (target: Target, metrics: readonly MetricNews[]) => void;
  readonly onData: (target: Target, metrics: readonly MetricNews[]) => void;
  /** All metrics of its birth are stale since `atMs`. */
  readonly onDeath: (target: Target, why: string, atMs: number) => void;
  /** Messages are missing or make no sense without a birth: a rebirth must be asked for. */
  readonly onLost: (node: EdgeNodeId, why: string) => void;
}

export interface EdgeMessage {
  readonly type: NodeMessage | DeviceMessage;
  readonly device: string | undefined;
  readonly payload: ReceivedPayload;
}

interface DeviceView {
  readonly register: BirthRegister;
  isOnline: boolean;
  /** Its edge node was born anew, and this device was not yet. */
  isAwaited: boolean;
}

/**
 * What a host application knows of one edge node: whether it and its devices are alive, what their metrics are called,
 * and which message comes next. A message that comes too early waits for the ones before it, but not for ever.
 * @see Sparkplug 3.0 §5.4, §5.10
 */
export class EdgeNodeView {
  readonly #clock: Clock;
  readonly #id: EdgeNodeId;
  readonly #reorderMs: number;
  readonly #listener: ViewListener;
  readonly #register = new BirthRegister();
  readonly #devices = new Map<string, DeviceView>();
  readonly #early = new Map<number, EdgeMessage>();
  #isOnline = false;
  #bdSeq: bigint | undefined;
  #next = 0;
  #cancelReorder: (() => void) | undefined;
  #cancelAwait: (() => void) | undefined;
  #askedAtMs: number | undefined;
  #asked = 0;

  constructor(
    deps: { readonly clock: Clock; readonly listener: ViewListener },
    config: { readonly id: EdgeNodeId; readonly reorderMs: number },
  ) {
    this.#clock = deps.clock;
    this.#listener = deps.listener;
    this.#id = config.id;
    this.#reorderMs = config.reorderMs;
  }

  get id(): EdgeNodeId {
    return this.#id;
  }

  /** What a command to this target needs to know; undefined when it has not been born. */
  registerOf(device: string | undefined): BirthRegister | undefined {
    if (device === undefined) return this.#isOnline ? this.#register : undefined;
    const view = this.#devices.get(device);
    return view?.isOnline === true ? view.register : undefined;
  }

  take(message: EdgeMessage): void {
    const { type, payload } = message;
    if (type === 'NBIRTH') this.#nodeBirth(payload);
    else if (type === 'NDEATH') this.#nodeDeath(payload);
    else if (type !== 'NCMD' && type !== 'DCMD') this.#inOrder(message);
  }

  /** The session is gone: what comes next may be anything. */
  forget(why: string): void {
    this.#reset();
    this.#offline(why, this.#clock.wallMs());
    this.#asked = 0;
    this.#askedAtMs = undefined;
  }

  stop(): void {
    this.#reset();
  }

  /** @returns whether it is time to ask this node for a rebirth; then it counts as asked */
  ask(): boolean {
    const nowMs = this.#clock.monotonicMs();
    const pauseMs = Math.min(
      ASK_AGAIN_MAX_MS,
      Math.max(1000, this.#reorderMs) * 2 ** Math.min(this.#asked, 10),
    );
    if (this.#askedAtMs !== undefined && nowMs - this.#askedAtMs < pauseMs) return false;
    if (this.#askedAtMs !== undefined) this.#asked++;
    this.#askedAtMs = nowMs;
    return true;
  }

  #nodeBirth(payload: ReceivedPayload): void {
    this.#reset();
    this.#isOnline = true;
    this.#asked = 0;
    this.#askedAtMs = undefined;
    this.#bdSeq = bdSeqOf(payload);
    this.#next = ((payload.seq ?? 0) + 1) % SEQS;
    this.#register.begin(payload);
    let isAnyAwaited = false;
    for (const view of this.#devices.values()) {
      view.isAwaited = view.isOnline;
      isAnyAwaited ||= view.isOnline;
    }
    this.#listener.onBirth({ ...this.#id, device: undefined }, this.#newsOf(this.#register, payload));
    if (isAnyAwaited) this.#cancelAwait = this.#clock.after(this.#reorderMs, () => this.#dropAwaited());
  }

  /** A death of an earlier session says nothing about this one. */
  #nodeDeath(payload: ReceivedPayload): void {
    const bdSeq = bdSeqOf(payload);
    if (!this.#isOnline || (bdSeq !== undefined && this.#bdSeq !== undefined && bdSeq !== this.#bdSeq))
      return;
    this.#reset();
    this.#offline('its edge node has died', this.#clock.wallMs());
  }

  #offline(why: string, atMs: number): void {
    if (!this.#isOnline) return;
    this.#isOnline = false;
    for (const [device, view] of this.#devices) {
      if (view.isOnline) this.#deviceDeath(device, view, why, atMs);
    }
    this.#listener.onDeath({ ...this.#id, device: undefined }, why, atMs);
  }

  #inOrder(message: EdgeMessage): void {
    const { seq } = message.payload;
    if (!this.#isOnline || seq === undefined || seq >= SEQS) {
      const why = this.#isOnline ? 'a message without a sequence number' : 'data before a birth certificate';
      this.#lost(`it sends ${why}`);
      return;
    }
    if (seq !== this.#next) {
      this.#early.set(seq, message);
      this.#cancelReorder ??= this.#clock.after(this.#reorderMs, () => this.#giveUpWaiting());
      return;
    }
    this.#apply(message);
    this.#next = (seq + 1) % SEQS;
    this.#applyEarly();
  }

  #applyEarly(): void {
    for (let early = this.#early.get(this.#next); early; early = this.#early.get(this.#next)) {
      this.#early.delete(this.#next);
      this.#apply(early);
      this.#next = (this.#next + 1) % SEQS;
    }
    if (this.#early.size > 0) return;
    this.#cancelReorder?.();
    this.#cancelReorder = undefined;
  }

  #giveUpWaiting(): void {
    this.#cancelReorder = undefined;
    const missing = this.#next;
    for (let step = 0; step < SEQS && this.#early.size > 0; step++) {
      this.#next = (this.#next + 1) % SEQS;
      this.#applyEarly();
    }
    this.#lost(`its message ${missing} did not come within ${this.#reorderMs} ms`);
  }

  #apply({ type, device, payload }: EdgeMessage): void {
    if (device === undefined) {
      if (type === 'NDATA') this.#data(undefined, this.#register, payload);
      return;
    }
    const known = this.#devices.get(device);
    if (type === 'DBIRTH') this.#deviceBirth(device, known, payload);
    else if (known?.isOnline !== true) {
      if (type === 'DDATA') this.#lost(`device "${device}" sends data before a birth certificate`);
    } else if (type === 'DDATA') this.#data(device, known.register, payload);
    else {
      const atMs = payload.timestampMs ?? this.#clock.wallMs();
      this.#deviceDeath(device, known, 'its edge node says that it has died', atMs);
    }
  }

  #deviceDeath(device: string, view: DeviceView, why: string, atMs: number): void {
    view.isOnline = false;
    view.isAwaited = false;
    this.#listener.onDeath({ ...this.#id, device }, why, atMs);
  }

  #deviceBirth(device: string, known: DeviceView | undefined, payload: ReceivedPayload): void {
    if (known === undefined && this.#devices.size >= MAX_DEVICES) return;
    const view = known ?? { register: new BirthRegister(), isOnline: false, isAwaited: false };
    this.#devices.set(device, view);
    view.isOnline = true;
    view.isAwaited = false;
    view.register.begin(payload);
    this.#listener.onBirth({ ...this.#id, device }, this.#newsOf(view.register, payload));
  }

  #data(device: string | undefined, register: BirthRegister, payload: ReceivedPayload): void {
    const news = this.#newsOf(register, payload);
    if (news.length < payload.metrics.length)
      this.#lost('it sends metrics that its birth certificate did not name');
    if (news.length > 0) this.#listener.onData({ ...this.#id, device }, news);
  }

  #newsOf(register: BirthRegister, payload: ReceivedPayload): MetricNews[] {
    const payloadMs = payload.timestampMs ?? this.#clock.wallMs();
    return payload.metrics.flatMap((metric) => register.read(metric, payloadMs) ?? []);
  }

  #dropAwaited(): void {
    const why = 'its edge node was born again without it';
    for (const [device, view] of this.#devices) {
      if (view.isAwaited) this.#deviceDeath(device, view, why, this.#clock.wallMs());
    }
  }

  #lost(why: string): void {
    this.#listener.onLost(this.#id, why);
  }

  #reset(): void {
    this.#early.clear();
    this.#cancelReorder?.();
    this.#cancelReorder = undefined;
    this.#cancelAwait?.();
    this.#cancelAwait = undefined;
  }
}

function bdSeqOf(payload: ReceivedPayload): bigint | undefined {
  const cell = payload.metrics.find(({ name }) => name === 'bdSeq')?.cell;
  if (cell?.case === 'longValue') return cell.value;
  return cell?.case === 'intValue' ? BigInt(cell.value) : undefined;
}
