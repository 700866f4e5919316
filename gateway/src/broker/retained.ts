import { z } from 'zod';
import { type DurableRecords, partsOf, recordOf } from './durable-records.ts';
import { hasWildcard, topicMatches } from './topic-filter.ts';

export interface RetainedMessage {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: 0 | 1 | 2;
}

const KIND = 'retained';
const Head = z.object({ topic: z.string(), qos: z.union([z.literal(0), z.literal(1), z.literal(2)]) });

/** The last retained message of each topic, bounded in number and bytes; kept on the disk behind a store. */
export class RetainedMessages {
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  readonly #byTopic = new Map<string, RetainedMessage>();
  readonly #numbers = new Map<string, number>();
  #records: DurableRecords | undefined;
  #nextNo = 1;
  #bytes = 0;

  constructor(config: { readonly maxMessages: number; readonly maxBytes: number }) {
    this.#maxMessages = config.maxMessages;
    this.#maxBytes = config.maxBytes;
  }

  get size(): number {
    return this.#byTopic.size;
  }

  /** Takes over what the store holds, and keeps every change there from now on. */
  async load(records: DurableRecords): Promise<void> {
    const found = await records.load(KIND);
    this.#byTopic.clear();
    this.#numbers.clear();
    this.#bytes = 0;
    for (const [no, record] of found) {
      this.#nextNo = Math.max(this.#nextNo, no + 1);
      const parts = partsOf(record);
      const head = Head.safeParse(parts?.head);
      const isKept =
        parts !== undefined && head.success && this.#put(head.data.topic, parts.payload, head.data.qos);
      if (isKept) this.#numbers.set(head.data.topic, no);
      else records.erase(KIND, no);
    }
    this.#records = records;
  }

  /**
   * Keeps a copy; an empty payload removes the topic (MQTT 3.1.1 §3.3.1.3).
   * @param options.transient in memory only
   * @returns false when there is no room: nothing has changed
   */
  set(
    topic: string,
    payload: Uint8Array,
    qos: 0 | 1 | 2,
    options: { readonly transient?: boolean } = {},
  ): boolean {
    if (!this.#put(topic, payload, qos)) return false;
    const known = this.#numbers.get(topic);
    if (payload.length > 0 && options.transient !== true) {
      const no = known ?? this.#nextNo++;
      this.#numbers.set(topic, no);
      this.#records?.write(KIND, no, recordOf({ topic, qos }, payload));
    } else if (known !== undefined) {
      this.#numbers.delete(topic);
      this.#records?.erase(KIND, known);
    }
    return true;
  }

  #put(topic: string, payload: Uint8Array, qos: 0 | 1 | 2): boolean {
    const old = this.#byTopic.get(topic);
    const bytesWithout = this.#bytes - (old === undefined ? 0 : sizeOf(old));
    if (payload.length === 0) {
      this.#byTopic.delete(topic);
      this.#bytes = bytesWithout;
      return true;
    }
    const message = { topic, payload: Buffer.from(payload), qos };
    if (old === undefined && this.#byTopic.size >= this.#maxMessages) return false;
    if (bytesWithout + sizeOf(message) > this.#maxBytes) return false;
    this.#byTopic.set(topic, message);
    this.#bytes = bytesWithout + sizeOf(message);
    return true;
  }

  holds(message: RetainedMessage): boolean {
    return this.#byTopic.get(message.topic) === message;
  }

  *matching(filter: string): Generator<RetainedMessage> {
    if (!hasWildcard(filter)) {
      const message = this.#byTopic.get(filter);
      if (message !== undefined) yield message;
      return;
    }
    for (const message of this.#byTopic.values()) {
      if (topicMatches(filter, message.topic)) yield message;
    }
  }
}

function sizeOf(message: RetainedMessage): number {
  return message.payload.length + 2 * message.topic.length;
}
