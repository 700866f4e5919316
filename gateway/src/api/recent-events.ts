import type { EventRecord, JournalPosition } from '@millwright/protocol';
import type { Journal } from '../journal/journal.ts';

const KEPT = 200;

/** Passes events on to the journal and remembers the last ones, for the status page. Empty after a start. */
export class RecentEvents {
  readonly #journal: Pick<Journal, 'appendEvent'>;
  readonly #events: EventRecord[] = [];

  constructor(deps: { readonly journal: Pick<Journal, 'appendEvent'> }) {
    this.#journal = deps.journal;
  }

  appendEvent(event: EventRecord): Promise<JournalPosition> {
    this.#events.push(event);
    if (this.#events.length > KEPT) this.#events.shift();
    return this.#journal.appendEvent(event);
  }

  /** Newest first. */
  recent(): readonly EventRecord[] {
    return this.#events.toReversed();
  }
}
