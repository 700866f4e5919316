import { stat } from 'node:fs/promises';
import { decodeFrame, InvalidInputError, type Logger, type PointNo, SampleBatch } from '@millwright/protocol';
import { pointText, type RuleSpec } from '@millwright/protocol/automation';
import { Head, KEYS, readEntries } from '../../journal/entries.ts';
import { DenoKvFile } from '../../journal/kv/deno-kv.ts';
import type { Kv } from '../../journal/kv/kv.ts';
import { Catalog } from '../../points/catalog.ts';
import { stateFiles } from '../../state-files.ts';
import type { Span } from './csv-history.ts';
import type { History } from './replay.ts';

const READ_AT_ONCE = 64;

/** What a gateway still has of its own: what a region has acknowledged is freed, and the last minute is not sealed. */
export interface JournalHistory extends History {
  readonly firstMs: number;
  readonly lastMs: number;
  close(): Promise<void>;
}

/**
 * Opens the journal in a gateway's state folder for reading; the gateway may run meanwhile.
 * @throws InvalidInputError `FILE_MISSING`, `RECORDING_EMPTY`; UnavailableError when the disk cannot serve it
 */
export async function openJournalHistory(
  deps: { readonly logger: Logger },
  stateDir: string,
  rule: RuleSpec,
  span: Span,
): Promise<JournalHistory> {
  const files = stateFiles(stateDir);
  const numbers = await numbersOf(deps.logger, files.catalogCopy, rule);
  const kv = await openExisting(files.journal);
  const close = () => kv.close();
  try {
    const parsed = Head.safeParse(await kv.get(KEYS.head));
    if (!parsed.success) throw empty(stateDir);
    const head = parsed.data;
    const wanted = [...new Set(numbers.flat())];
    const batches = () => framesOf(kv, head, wanted, span);
    const bounds = await boundsOf(batches());
    if (bounds === undefined) throw empty(stateDir);
    return { numbers, batches, close, ...bounds };
  } catch (error) {
    await close();
    throw error;
  }
}

async function numbersOf(logger: Logger, file: string, rule: RuleSpec): Promise<PointNo[][]> {
  const kv = await openExisting(file);
  try {
    const catalog = new Catalog({ logger, stores: [kv] });
    await catalog.load();
    return Object.values(rule.inputs).map(({ ref }) => {
      const own = catalog
        .entries()
        .filter(({ device, point }) => device === ref.device && point === ref.point);
      if (own.length > 0) return own.map(({ no }) => no);
      throw new InvalidInputError('POINT_UNKNOWN', `this gateway has never read ${pointText(ref)}`);
    });
  } finally {
    await kv.close();
  }
}

/** Opening a store makes one where there is none. */
async function openExisting(file: string): Promise<Kv> {
  try {
    await stat(file);
  } catch (cause) {
    throw new InvalidInputError('FILE_MISSING', `there is no ${file}`, {
      hint: "give a gateway's state folder with --state",
      cause,
    });
  }
  return new DenoKvFile(file).open();
}

async function* framesOf(
  kv: Kv,
  head: Head,
  wanted: readonly PointNo[],
  span: Span,
): AsyncGenerator<SampleBatch> {
  const { fromMs = Number.NEGATIVE_INFINITY, toMs = Number.POSITIVE_INFINITY } = span;
  let from = head.firstSeq;
  for (;;) {
    const rows = await kv.list(KEYS.entries(from, head.openSeq), { limit: READ_AT_ONCE });
    for (const { entry } of readEntries(head, rows)) {
      from = entry.seqEnd + 1;
      if (entry.kind !== 'frame') continue;
      const batch = inOrder(entry.bytes, wanted, fromMs, toMs);
      if (batch.length > 0) yield batch;
    }
    if (rows.length < READ_AT_ONCE) return;
  }
}

/** A frame goes point by point; the gateway saw it by time. */
function inOrder(bytes: Uint8Array, wanted: readonly PointNo[], fromMs: number, toMs: number): SampleBatch {
  const frame = decodeFrame(bytes);
  const room = wanted.reduce((sum, no) => sum + (frame.point(no)?.sampleCount ?? 0), 0);
  const read = new SampleBatch(Math.max(1, room));
  for (const no of wanted) frame.readPoint(no, read);
  const { tGatewayMs } = read;
  const order = Array.from({ length: read.length }, (_, row) => row).filter((row) => {
    const atMs = tGatewayMs[row] as number;
    return atMs >= fromMs && atMs <= toMs;
  });
  order.sort((a, b) => (tGatewayMs[a] as number) - (tGatewayMs[b] as number) || a - b);
  const sorted = new SampleBatch(Math.max(1, order.length));
  for (const row of order) sorted.copyRow(read, row);
  return sorted;
}

async function boundsOf(
  batches: AsyncIterable<SampleBatch>,
): Promise<{ firstMs: number; lastMs: number } | undefined> {
  let bounds: { firstMs: number; lastMs: number } | undefined;
  for await (const { tGatewayMs, length } of batches) {
    bounds = {
      firstMs: bounds?.firstMs ?? (tGatewayMs[0] as number),
      lastMs: tGatewayMs[length - 1] as number,
    };
  }
  return bounds;
}

function empty(stateDir: string): InvalidInputError {
  return new InvalidInputError(
    'RECORDING_EMPTY',
    `the journal in ${stateDir} has no sample of the rule's inputs in this time`,
    { hint: 'what the region has is no longer here: replay it with --region' },
  );
}
