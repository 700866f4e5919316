import type { DeviceId } from '@millwright/protocol';

/** Names of what is sent one by one and in order; values go another way. */
export type RingEventName = 'device' | 'gateway' | 'event' | 'gap';

export interface RingEvent {
  /** Counted from 1 in the life of the process. */
  readonly no: number;
  readonly name: RingEventName;
  /** Only for listeners of this device, or of all. */
  readonly device: DeviceId | undefined;
  readonly json: string;
}

/** The last events, so that a listener who was away for a moment misses none. */
export class EventRing {
  readonly #events: (RingEvent | undefined)[];
  readonly #listeners = new Set<() => void>();
  #last = 0;

  constructor(options: { readonly length: number }) {
    this.#events = new Array<RingEvent | undefined>(options.length).fill(undefined);
  }

  /** Number of the newest event; 0 = none yet. */
  get last(): number {
    return this.#last;
  }

  publish(name: RingEventName, device: DeviceId | undefined, data: unknown): void {
    this.#last += 1;
    this.#events[this.#last % this.#events.length] = {
      no: this.#last,
      name,
      device,
      json: JSON.stringify(data),
    };
    for (const listener of this.#listeners) listener();
  }

  onPublished(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Whether everything after `no` is still held. */
  holdsAfter(no: number): boolean {
    return this.#last - no <= this.#events.length;
  }

  /** The event after `no`. */
  after(no: number): RingEvent | undefined {
    const event = this.#events[(no + 1) % this.#events.length];
    return event?.no === no + 1 ? event : undefined;
  }
}
