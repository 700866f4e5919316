import { type Clock, every } from '@millwright/protocol';
import type { BrokerStats } from './broker-stats.ts';
import { topicMatches } from './topic-filter.ts';

const PREFIX = '$SYS/broker';
const EVERY_MS = 5_000;
/** Minutes the load is averaged over. */
const WINDOWS = [1, 5, 15] as const;

export interface SysTopicsDeps {
  readonly clock: Clock;
  readonly stats: () => BrokerStats;
  readonly publish: (topic: string, payload: Buffer) => void;
  readonly version: string;
}

interface Message {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: 0;
}

/** The broker about itself, under the names mosquitto made common; the newest is kept for those who come later. */
export class SysTopics {
  readonly #deps: SysTopicsDeps;
  readonly #kept = new Map<string, Message>();
  readonly #load = new Map<string, number>();
  #startedAtMs = 0;
  #last: { readonly atMs: number; readonly messagesIn: number; readonly messagesOut: number } | undefined;
  #cancel: (() => void) | undefined;

  constructor(deps: SysTopicsDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#startedAtMs = this.#deps.clock.monotonicMs();
    this.#tell();
    this.#cancel = every(this.#deps.clock, EVERY_MS, () => this.#tell());
  }

  stop(): void {
    this.#cancel?.();
    this.#kept.clear();
    this.#load.clear();
    this.#last = undefined;
  }

  *matching(filter: string): Generator<Message> {
    if (!filter.startsWith('$SYS')) return;
    for (const message of this.#kept.values()) if (topicMatches(filter, message.topic)) yield message;
  }

  #tell(): void {
    const { clock, stats, version } = this.#deps;
    const nowMs = clock.monotonicMs();
    const now = stats();
    this.#measure(nowMs, now);
    const offences = [...now.offences.values()].reduce((sum, times) => sum + times, 0);
    const lines: readonly (readonly [string, string | number])[] = [
      ['version', version],
      ['uptime', `${Math.round((nowMs - this.#startedAtMs) / 1000)} seconds`],
      ['clients/connected', now.clients],
      ['clients/maximum', now.clientsMax],
      ['connections', now.connections],
      ['sessions', now.sessions],
      ['messages/received', now.messagesIn],
      ['messages/sent', now.messagesOut],
      ['messages/dropped', now.dropped],
      ['bytes/received', now.bytesIn],
      ['bytes/sent', now.bytesOut],
      ['retained messages/count', now.retained],
      ['offences', offences],
      ...[...this.#load].map(([name, perMinute]) => [`load/${name}`, perMinute.toFixed(2)] as const),
    ];
    for (const [name, value] of lines) this.#say(`${PREFIX}/${name}`, String(value));
  }

  /** Exponential averages, as load averages of a machine are. */
  #measure(nowMs: number, now: BrokerStats): void {
    const before = this.#last;
    this.#last = { atMs: nowMs, messagesIn: now.messagesIn, messagesOut: now.messagesOut };
    const minutes = before === undefined ? 0 : (nowMs - before.atMs) / 60_000;
    for (const window of WINDOWS) {
      const share = 1 - Math.exp(-minutes / window);
      const add = (name: string, count: number) => {
        const key = `messages/${name}/${window}min`;
        const rate = minutes === 0 ? 0 : count / minutes;
        this.#load.set(key, (this.#load.get(key) ?? 0) * (1 - share) + rate * share);
      };
      add('received', now.messagesIn - (before?.messagesIn ?? now.messagesIn));
      add('sent', now.messagesOut - (before?.messagesOut ?? now.messagesOut));
    }
  }

  #say(topic: string, text: string): void {
    const payload = Buffer.from(text);
    if (this.#kept.get(topic)?.payload.equals(payload) === true) return;
    this.#kept.set(topic, { topic, payload, qos: 0 });
    this.#deps.publish(topic, payload);
  }
}
