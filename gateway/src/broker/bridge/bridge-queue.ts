import { z } from 'zod';
import { type DurableRecords, partsOf, recordOf } from '../durable-records.ts';

const Head = z.object({ topic: z.string(), retain: z.boolean() });

export interface QueuedMessage {
  readonly no: number;
  readonly topic: string;
  readonly payload: Buffer;
  readonly retain: boolean;
}

/** What waits for another broker: in order, bounded in number and bytes, kept over a restart. The oldest goes first. */
export class BridgeQueue {
  readonly #records: DurableRecords;
  readonly #kind: string;
  readonly #maxBytes: number;
  readonly #maxMessages: number;
  /** In the order of their numbers. */
  readonly #messages = new Map<number, QueuedMessage>();
  #nextNo = 1;
  #bytes = 0;

  /** Messages dropped because there was no room. */
  dropped = 0;

  constructor(
    deps: { readonly records: DurableRecords },
    config: { readonly name: string; readonly maxBytes: number; readonly maxMessages: number },
  ) {
    this.#records = deps.records;
    this.#kind = `bridge ${config.name}`;
    this.#maxBytes = config.maxBytes;
    this.#maxMessages = config.maxMessages;
  }

  get size(): number {
    return this.#messages.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Takes over what waited when an earlier process ended. */
  async load(): Promise<void> {
    const found = [...(await this.#records.load(this.#kind))].sort(([a], [b]) => a - b);
    for (const [no, record] of found) {
      this.#nextNo = Math.max(this.#nextNo, no + 1);
      const parts = partsOf(record);
      const head = Head.safeParse(parts?.head);
      if (parts === undefined || !head.success) this.#records.erase(this.#kind, no);
      else this.#hold({ no, ...head.data, payload: parts.payload });
    }
    this.#makeRoom(0);
  }

  /** @returns false when it alone is more than the queue may hold */
  add(topic: string, payload: Uint8Array, retain: boolean): boolean {
    const message = { no: this.#nextNo++, topic, payload: Buffer.from(payload), retain };
    if (sizeOf(message) > this.#maxBytes) {
      this.dropped++;
      return false;
    }
    this.#makeRoom(sizeOf(message));
    this.#hold(message);
    this.#records.write(this.#kind, message.no, recordOf({ topic, retain }, message.payload));
    return true;
  }

  /** The first messages after number `after`. */
  *from(after: number): Generator<QueuedMessage> {
    for (const message of this.#messages.values()) if (message.no > after) yield message;
  }

  /** The other broker has it. */
  remove(no: number): void {
    const message = this.#messages.get(no);
    if (message === undefined) return;
    this.#messages.delete(no);
    this.#bytes -= sizeOf(message);
    this.#records.erase(this.#kind, no);
  }

  /** Resolves when everything added is on the disk. */
  committed(): Promise<void> {
    return this.#records.committed();
  }

  #hold(message: QueuedMessage): void {
    this.#messages.set(message.no, message);
    this.#bytes += sizeOf(message);
  }

  #makeRoom(bytes: number): void {
    const isFull = () =>
      this.#bytes + bytes > this.#maxBytes || this.#messages.size + (bytes > 0 ? 1 : 0) > this.#maxMessages;
    for (const no of this.#messages.keys()) {
      if (!isFull()) return;
      this.remove(no);
      this.dropped++;
    }
  }
}

function sizeOf({ topic, payload }: QueuedMessage): number {
  return 64 + 2 * topic.length + payload.length;
}
