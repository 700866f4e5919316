import { type Clock, type DeviceId, toJsonValue } from '@millwright/protocol';
import type { NamedValue } from '../live/live-values.ts';
import { concerns, type EventFeed, type FeedPosition } from './event-feed.ts';

/** A point's values in between are skipped. */
const VALUES_EVERY_MS = 50;
const HEARTBEAT_MS = 15_000;
/** Values in one piece of the stream, so that a full picture of 100,000 points is no single string. */
const MAX_VALUES = 1000;
const MAX_EVENTS = 500;
/** With more changes than this since the last piece, all points are looked through instead. */
const MAX_FOLLOWED = 5000;

/** A look through all points, piece by piece: at the beginning, or when the order of changes is forgotten. */
interface Scan {
  slot: number;
  readonly after: number;
  readonly until: number;
}

/**
 * One listener's way through the feed. It keeps a position and no values: who reads slowly gets fewer, newer ones,
 * and costs nothing. Events in order are the exception; when they have left the ring it is told to start over.
 */
export class EventListener {
  readonly #feed: EventFeed;
  readonly #clock: Clock;
  readonly #device: DeviceId | undefined;
  #position: FeedPosition;
  #scan: Scan | undefined;
  #preamble: string;
  #wake: (() => void) | undefined;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #sentMs: number;
  #closing: string | undefined;

  constructor(
    deps: { readonly feed: EventFeed; readonly clock: Clock },
    options: { readonly device?: DeviceId | undefined; readonly lastEventId?: string | undefined },
  ) {
    this.#feed = deps.feed;
    this.#clock = deps.clock;
    this.#device = options.device;
    this.#sentMs = deps.clock.monotonicMs();
    const { lastEventId } = options;
    const resumed = lastEventId === undefined ? null : deps.feed.positionOf(lastEventId);
    const isLost = lastEventId !== undefined && resumed === null;
    this.#preamble = `retry: 1000\n\n${isLost ? resetMessage('what was missed is no longer held') : ''}`;
    this.#position = resumed ?? this.#now();
    if (resumed === null) this.#scan = { slot: 0, after: 0, until: this.#position.value };
  }

  /** Ends the stream after telling why. */
  close(reason: string): void {
    this.#closing ??= reason;
    this.#wake?.();
  }

  /** The next piece of the stream, at least every 15 s. @returns undefined at its end */
  async next(): Promise<string | undefined> {
    if (this.#preamble !== '') {
      const preamble = this.#preamble;
      this.#preamble = '';
      return preamble;
    }
    for (;;) {
      if (this.#closing !== undefined) return this.#farewell(this.#closing);
      const nowMs = this.#clock.monotonicMs();
      const waitMs = this.#lookedMs + VALUES_EVERY_MS - nowMs;
      if (waitMs > 0 && this.#scan === undefined) {
        await this.#sleep(waitMs, false);
        continue;
      }
      this.#lookedMs = nowMs;
      const piece = this.#piece();
      const isQuiet = nowMs - this.#sentMs >= HEARTBEAT_MS;
      if (piece !== '' || isQuiet) {
        this.#sentMs = nowMs;
        return piece === '' ? ': still here\n\n' : piece;
      }
      await this.#sleep(this.#sentMs + HEARTBEAT_MS - nowMs, true);
    }
  }

  #farewell(reason: string): string | undefined {
    if (reason === '') return undefined;
    this.#closing = '';
    return `event: closed\ndata: ${JSON.stringify({ reason })}\n\n`;
  }

  /** Until the time is over, `close` is called, or there is news. */
  #sleep(ms: number, untilNews: boolean): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        cancel();
        stop();
        this.#wake = undefined;
        resolve();
      };
      const cancel = this.#clock.after(ms, end);
      const stop = untilNews ? this.#feed.onNews(end) : () => undefined;
      this.#wake = end;
    });
  }

  #now(): FeedPosition {
    return { value: this.#feed.values.head, event: this.#feed.ring.last };
  }

  #piece(): string {
    const parts: string[] = [];
    this.#addEvents(parts);
    if (this.#scan !== undefined) this.#addScanned(this.#scan, parts);
    else this.#addChanged(parts);
    return parts.join('');
  }

  #addEvents(parts: string[]): void {
    const { ring } = this.#feed;
    if (!ring.holdsAfter(this.#position.event)) {
      parts.push(resetMessage('this listener was too slow for the events'));
      this.#position = this.#now();
      this.#scan = { slot: 0, after: 0, until: this.#position.value };
      return;
    }
    for (let count = 0; count < MAX_EVENTS; count++) {
      const event = ring.after(this.#position.event);
      if (event === undefined) return;
      this.#position = { ...this.#position, event: event.no };
      if (!concerns(event.device, this.#device)) continue;
      parts.push(message(event.name, event.json, this.#id()));
    }
  }

  #addScanned(scan: Scan, parts: string[]): void {
    const { values } = this.#feed;
    for (let count = 0; count < MAX_VALUES; ) {
      const slot = values.scan(scan.slot, scan.after, scan.until);
      if (slot === undefined) {
        this.#scan = undefined;
        // From here on a broken stream can be resumed.
        parts.push(`id: ${this.#id()}\nevent: caught-up\ndata: {}\n\n`);
        return;
      }
      scan.slot = slot + 1;
      if (this.#addValue(slot, parts, '')) count += 1;
    }
  }

  #addChanged(parts: string[]): void {
    const { values } = this.#feed;
    const { head } = values;
    if (head === this.#position.value) return;
    if (head - this.#position.value > MAX_FOLLOWED) {
      this.#scan = { slot: 0, after: this.#position.value, until: head };
      this.#position = { ...this.#position, value: head };
      this.#addScanned(this.#scan, parts);
      return;
    }
    const slots = [...values.changed(this.#position.value)];
    this.#position = { ...this.#position, value: head };
    for (const [at, slot] of slots.entries()) {
      this.#addValue(slot, parts, at === slots.length - 1 ? this.#id() : '');
    }
  }

  #addValue(slot: number, parts: string[], id: string): boolean {
    const value = this.#feed.values.named(slot);
    if (value === undefined || (this.#device !== undefined && value.line.device !== this.#device))
      return false;
    parts.push(message('value', valueJson(value), id));
    return true;
  }

  /** Where a stream that breaks after this goes on. While all points are looked through it has no such place. */
  #id(): string {
    return this.#scan === undefined ? this.#feed.idOf(this.#position) : '';
  }
}

function message(event: string, json: string, id: string): string {
  return `${id === '' ? '' : `id: ${id}\n`}event: ${event}\ndata: ${json}\n\n`;
}

function resetMessage(reason: string): string {
  return `event: reset\ndata: ${JSON.stringify({ reason })}\n\n`;
}

function valueJson({ line, sample }: NamedValue): string {
  const { v, q, why, tSource, tGateway } = sample;
  return JSON.stringify({
    device: line.device,
    point: line.point,
    v: toJsonValue(v),
    q,
    why,
    tSource,
    tGateway,
  });
}
