import {
  type Clock,
  decodeFrame,
  describeError,
  type JournalEntry,
  type JournalPosition,
  type Logger,
  MAX_UNACKED_ENTRIES,
  UnavailableError,
  type UplinkDown,
  type UplinkUp,
  withDeadline,
} from '@millwright/protocol';
import type { Channel } from '@millwright/protocol/node';
import type { Journal } from '../journal/journal.ts';
import { AckWindow } from './ack-window.ts';
import { GatewayNews } from './gateway-news.ts';
import type { CatalogSource, DeviceStatusSource, GatewayFacts } from './ports.ts';
import { refusalOf } from './refusal.ts';
import { Wake } from './wake.ts';

const WELCOME_WITHIN_MS = 15_000;
/** Frames held in memory at once on their way out: about two megabytes. */
const READ_AT_ONCE = 32;

export type UplinkChannel = Channel<UplinkDown, UplinkUp>;
export type Welcome = Extract<UplinkDown, { type: 'welcome' }>;

export interface EntryLaneDeps {
  readonly channel: UplinkChannel;
  readonly journal: Journal;
  readonly catalog: CatalogSource;
  readonly devices: DeviceStatusSource;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly facts: GatewayFacts;
  /** Called for every entry handed to the transport. */
  readonly onSent: (entry: { readonly bytes: number }) => void;
  readonly onAcked: (position: JournalPosition) => void;
}

/**
 * The durable half of one connection: catalogue, devices and the journal's entries in order, as far ahead of the
 * region's acknowledgements as the window allows. What is acknowledged is freed in the journal.
 */
export class EntryLane {
  readonly #deps: EntryLaneDeps;
  readonly #window = new AckWindow({ maxEntries: MAX_UNACKED_ENTRIES });
  readonly #wake = new Wake();
  #toRelease: JournalPosition | undefined;
  #releasing: Promise<void> = Promise.resolve();

  constructor(deps: EntryLaneDeps) {
    this.#deps = deps;
  }

  /**
   * Says hello and compares what both sides hold.
   * @throws UnauthorizedError `NOT_ENROLLED`; UnavailableError `JOURNAL_BEHIND` when this gateway was set back in time
   */
  async open(signal: AbortSignal): Promise<Welcome> {
    const { channel, journal, catalog, clock, facts } = this.#deps;
    const answer = await withDeadline(
      { clock, withinMs: WELCOME_WITHIN_MS, what: "the region's welcome", signal },
      async (limit) => {
        await channel.send(
          {
            ...{ type: 'hello' as const, ...facts },
            wallMs: clock.wallMs(),
            epoch: journal.epoch,
            firstSeq: journal.stats().firstSeq,
            catalogSize: catalog.entries().length,
          },
          { signal: limit },
        );
        return channel.receive({ signal: limit });
      },
    );
    if (answer?.type === 'refused') throw refusalOf(answer.code, answer.message);
    if (answer?.type !== 'welcome') {
      throw new UnavailableError('UPLINK_PROTOCOL', 'the region did not answer the hello with a welcome');
    }
    this.#assertNotBehind(answer);
    return answer;
  }

  /** Sends and frees until the signal aborts or the connection fails; always rejects. */
  async run(welcome: Welcome, signal: AbortSignal): Promise<never> {
    const { channel, journal, catalog, devices } = this.#deps;
    const news = new GatewayNews({ catalog, devices, onNews: this.#wake.set }, welcome);
    const unsubscribe = journal.onSealed(this.#wake.set);
    const both = new AbortController();
    const stop = () => both.abort(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    const receiving = this.#receive(both.signal);
    const sending = this.#send(news, welcome, both.signal);
    try {
      return await Promise.race([receiving, sending]);
    } catch (error) {
      both.abort(error);
      channel.abort(error instanceof Error ? error : new Error(String(error)));
      throw error;
    } finally {
      signal.removeEventListener('abort', stop);
      unsubscribe();
      news.stop();
      await Promise.allSettled([receiving, sending, this.#releasing]);
    }
  }

  async #send(news: GatewayNews, welcome: Welcome, signal: AbortSignal): Promise<never> {
    const { channel, journal } = this.#deps;
    const { epoch } = journal;
    let cursor = welcome.acked?.epoch === epoch ? welcome.acked.seq : -1;
    let knownMs = welcome.heldUntilMs;
    for (;;) {
      for (const message of news.messages()) await channel.send(message, { signal });
      const position = cursor < 0 ? null : { epoch, seq: cursor };
      const entries = this.#window.isOpen ? await journal.entriesAfter(position, READ_AT_ONCE) : [];
      // The frames just read may need lines that came while they were read.
      for (const message of news.catalogMessages()) await channel.send(message, { signal });
      for (const entry of entries) {
        while (!this.#window.isOpen) {
          await this.#wake.wait(signal);
          for (const message of news.messages()) await channel.send(message, { signal });
        }
        if (entry.seq > cursor + 1) {
          await this.#sendEntry(lostBefore(entry, cursor + 1, knownMs), signal);
          knownMs = undefined;
        }
        await this.#sendEntry(entry, signal);
        cursor = entry.seqEnd;
      }
      if (entries.length === 0) await this.#wake.wait(signal);
    }
  }

  async #sendEntry(entry: JournalEntry, signal: AbortSignal): Promise<void> {
    const { channel, clock, onSent } = this.#deps;
    const before = channel.bytesSent;
    const sentAtMs = clock.monotonicMs();
    const sending = channel.send({ type: 'entry', entry }, { signal });
    const bytes = channel.bytesSent - before;
    this.#window.sent(entry.seqEnd, bytes, sentAtMs);
    onSent({ bytes });
    await sending;
  }

  async #receive(signal: AbortSignal): Promise<never> {
    const { channel, journal, clock, onAcked } = this.#deps;
    for (;;) {
      const message = await channel.receive({ signal });
      if (message === undefined) {
        throw new UnavailableError('REGION_CLOSED', 'the region ended the uplink');
      }
      if (message.type === 'refused') throw refusalOf(message.code, message.message);
      if (message.type === 'welcome' || message.acked.epoch !== journal.epoch) {
        throw new UnavailableError('UPLINK_PROTOCOL', `the region said "${message.type}" out of turn`);
      }
      this.#window.acked(message.acked.seq, clock.monotonicMs());
      this.#release(message.acked);
      onAcked(message.acked);
      this.#wake.set();
    }
  }

  /** One release at a time; those that come meanwhile are one. */
  #release(position: JournalPosition): void {
    const isRunning = this.#toRelease !== undefined;
    this.#toRelease = position;
    if (!isRunning) this.#releasing = this.#releaseAll();
  }

  async #releaseAll(): Promise<void> {
    for (;;) {
      const position = this.#toRelease;
      if (position === undefined) return;
      try {
        await this.#deps.journal.release(position);
      } catch (error) {
        // The entries stay; the next acknowledgement frees them, too.
        this.#deps.logger.warn(
          { err: error },
          `acknowledged entries were not freed: ${describeError(error)}`,
        );
      }
      if (this.#toRelease === position) this.#toRelease = undefined;
    }
  }

  #assertNotBehind(welcome: Welcome): void {
    const { journal, catalog } = this.#deps;
    const { lastSeq } = journal.stats();
    const { acked } = welcome;
    const lines = catalog.entries().length;
    if (acked !== null && acked.epoch === journal.epoch && acked.seq > lastSeq) {
      throw behind(`the region holds entries up to ${acked.seq}, this journal ends at ${lastSeq}`);
    }
    if (welcome.catalogSize > lines) {
      throw behind(`the region knows ${welcome.catalogSize} points, this gateway ${lines}`);
    }
  }
}

/** New numbers would collide with those the region holds, and the region would take new data for old. */
function behind(what: string): UnavailableError {
  return new UnavailableError('JOURNAL_BEHIND', `this gateway was set back in time: ${what}`, {
    hint: 'its state was restored from a backup or copied: give it an empty state folder and enrol it anew',
  });
}

/** The region acknowledged these entries and no longer has them: it was restored from a backup, or is another one. */
function lostBefore(next: JournalEntry, seq: number, heldUntilMs: number | undefined): JournalEntry {
  const toMs = firstMsOf(next);
  return {
    kind: 'gap',
    epoch: next.epoch,
    seq,
    seqEnd: next.seq - 1,
    gap: {
      reason: 'region-lost',
      // An epoch is the wall time at which its journal was made.
      fromMs: Math.min(heldUntilMs ?? next.epoch, toMs),
      toMs,
      detail: `entries ${seq} to ${next.seq - 1} were acknowledged and freed, but the region does not hold them`,
    },
  };
}

function firstMsOf(entry: JournalEntry): number {
  if (entry.kind === 'event') return entry.event.atMs;
  return entry.kind === 'gap' ? entry.gap.fromMs : decodeFrame(entry.bytes).header.firstMs;
}
