import { hasWildcard, topicMatches } from './topic-filter.ts';

export interface RetainedMessage {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: 0 | 1 | 2;
}

/** The last retained message of each topic, bounded in number and bytes. Forgotten when the process ends. */
export class RetainedMessages {
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  readonly #byTopic = new Map<string, RetainedMessage>();
  #bytes = 0;

  constructor(config: { readonly maxMessages: number; readonly maxBytes: number }) {
    this.#maxMessages = config.maxMessages;
    this.#maxBytes = config.maxBytes;
  }

  get size(): number {
    return this.#byTopic.size;
  }

  /**
   * Keeps a copy; an empty payload removes the topic (MQTT 3.1.1 §3.3.1.3).
   * @returns false when there is no room: nothing has changed
   */
  set(topic: string, payload: Uint8Array, qos: 0 | 1 | 2): boolean {
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
