import { LimitError } from '@millwright/protocol';
import type { Outcome } from './bus.ts';
import { offline } from './exception.ts';
import type { PolledDevice } from './polled-device.ts';

const MAX_QUEUED_REQUESTS = 1000;
/** Requests of people and rules go first, but after this many in a row one poll gets its turn. */
const MAX_REQUESTS_IN_A_ROW = 8;

/** A write or a read past the cache, waiting for its turn. */
export interface Request {
  readonly device: PolledDevice;
  /** How often it was made already. */
  tries: number;
  /** Makes the request; never rejects. */
  run(): Promise<Outcome<unknown>>;
  /** Hands the last outcome to whoever asked. */
  finish(outcome: Outcome<unknown>): void;
  cancel(error: unknown): void;
}

/**
 * Requests in the order they were asked, before all polls. One to a unit at a time and no poll beside it, so that what
 * is read after a write was asked for after it.
 */
export class RequestQueue {
  readonly #name: string;
  readonly #waiting: Request[] = [];
  #inARow = 0;

  /** @param name of the line, for messages */
  constructor(name: string) {
    this.#name = name;
  }

  /** @throws LimitError `LINE_BUSY` */
  add(request: Request): void {
    if (this.#waiting.length >= MAX_QUEUED_REQUESTS) {
      const waiting = `${MAX_QUEUED_REQUESTS} requests wait for ${this.#name} already`;
      throw new LimitError('LINE_BUSY', waiting, { retry: 'backoff' });
    }
    this.#waiting.push(request);
  }

  /** One that was made to no avail is the first again. */
  putBack(request: Request): void {
    this.#waiting.unshift(request);
  }

  remove(request: Request): void {
    const at = this.#waiting.indexOf(request);
    if (at === -1) return;
    this.#waiting.splice(at, 1);
    if (request.device.claim === 'waited for') request.device.claim = 'none';
  }

  /** @returns all of them, nothing waits any more */
  drain(): Request[] {
    for (const { device } of this.#waiting) if (device.claim === 'waited for') device.claim = 'none';
    return this.#waiting.splice(0);
  }

  /** Takes the first that can be made now. @param isPollDue asked only when it matters */
  next(nowMs: number, isPollDue: () => boolean): Request | undefined {
    if (this.#waiting.length === 0) return undefined;
    if (this.#inARow >= MAX_REQUESTS_IN_A_ROW) {
      for (const { device } of this.#waiting) if (device.claim === 'waited for') device.claim = 'none';
      if (isPollDue()) return undefined;
    }
    for (let at = 0; at < this.#waiting.length; at++) {
      const request = this.#waiting[at];
      if (request === undefined || request.device.quietUntilMs > nowMs) continue;
      const { device } = request;
      if (device.state !== 'up') {
        this.remove(request);
        request.cancel(offline(device.slug, 'the device stopped answering'));
        at--;
      } else if (device.underWay > 0) {
        if (device.claim === 'none') device.claim = 'waited for';
      } else {
        this.#waiting.splice(at, 1);
        this.#inARow++;
        return request;
      }
    }
    return undefined;
  }

  /** A poll had its turn. */
  yielded(): void {
    this.#inARow = 0;
  }

  /** When a unit that is left alone for a while may be asked again. */
  dueAtMs(): number {
    let least = Number.POSITIVE_INFINITY;
    for (const { device } of this.#waiting) {
      if (device.underWay === 0) least = Math.min(least, device.quietUntilMs);
    }
    return least;
  }
}
