import type {
  EventRecord,
  GapRecord,
  JournalEntry,
  JournalPosition,
  Lifecycle,
  SampleBatch,
} from '@millwright/protocol';

export interface JournalStats {
  readonly bytes: number;
  readonly maxBytes: number;
  readonly entries: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Samples accepted but not yet on disk. */
  readonly pendingSamples: number;
  readonly droppedSamples: number;
  /** Set while writing fails (disk full, read-only); samples wait in a bounded buffer meanwhile. */
  readonly fault: string | undefined;
}

/**
 * The durable lane: an ordered, bounded, crash-safe list of entries, numbered (epoch, seq) without holes.
 * What `flush` or `appendEvent` acknowledged survives `kill -9` and power loss.
 */
export interface Journal extends Lifecycle {
  /** Changes only when the journal was created anew; known after `start`. */
  readonly epoch: number;
  /** Copies the rows at once; they are on disk within `durableWithinMs`. Never throws for a full disk: see `stats().fault`. */
  append(batch: SampleBatch): void;
  /** Resolves when all samples appended so far are on disk. */
  flush(): Promise<void>;
  /** Resolves when the event is on disk. */
  appendEvent(event: EventRecord): Promise<JournalPosition>;
  appendGap(gap: GapRecord): Promise<JournalPosition>;
  /** Sealed entries after `position` (null = from the oldest held), oldest first, at most `limit`. */
  entriesAfter(position: JournalPosition | null, limit: number): Promise<JournalEntry[]>;
  /** Frees every entry up to and including `position`. */
  release(position: JournalPosition): Promise<void>;
  /** Called after new entries were sealed. @returns unsubscribe */
  onSealed(listener: () => void): () => void;
  stats(): JournalStats;
}
