import type { Clock } from '@millwright/protocol';
import { type AlarmRecord, keyOf } from './alarm-record.ts';
import type { FloodWatchDeps } from './flood.ts';

/** An alarm that comes this often within the time below is said to chatter. @see EEMUA 191, "chattering alarms" */
const TIMES = 5;
const WITHIN_MS = 60_000;
const MAX_WATCHED = 10_000;

/** Finds alarms that come and go faster than anybody can mind. */
export class ChatterWatch {
  readonly #clock: Clock;
  readonly #note: FloodWatchDeps['note'];
  /** When each was raised last, oldest first; at most `TIMES`. */
  readonly #raisedAtMs = new Map<string, number[]>();
  readonly #told = new Set<string>();

  constructor(deps: { readonly clock: Clock; readonly note?: FloodWatchDeps['note'] | undefined }) {
    this.#clock = deps.clock;
    this.#note = deps.note;
  }

  raised(record: AlarmRecord): void {
    const key = keyOf(record);
    const times = this.#raisedAtMs.get(key) ?? [];
    if (!this.isChattering(key)) this.#told.delete(key);
    times.push(this.#clock.monotonicMs());
    if (times.length > TIMES) times.shift();
    this.#raisedAtMs.delete(key);
    this.#raisedAtMs.set(key, times);
    for (const [oldest] of this.#raisedAtMs) {
      if (this.#raisedAtMs.size <= MAX_WATCHED) break;
      this.#raisedAtMs.delete(oldest);
      this.#told.delete(oldest);
    }
    if (this.#told.has(key) || !this.isChattering(key)) return;
    this.#told.add(key);
    const { device, point, alarm, message } = record;
    const text = `came ${TIMES} times within ${WITHIN_MS / 1000} s: ${message}`;
    this.#note?.('alarm.chattering', text, { device, point, data: { alarm } });
  }

  isChattering(key: string): boolean {
    const times = this.#raisedAtMs.get(key);
    if (times === undefined || times.length < TIMES) return false;
    return this.#clock.monotonicMs() - (times[0] as number) <= WITHIN_MS;
  }
}
