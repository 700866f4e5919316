import { type Location, type PointNo, SampleBatch } from '@millwright/protocol';
import type { RuleSpec } from '@millwright/protocol/automation';
import { RuleEngine } from '../engine.ts';
import type { Firing } from '../firing.ts';
import { ReplayClock } from './replay-clock.ts';

const ROWS = 1024;

/** Recorded samples, in the order in which a gateway received them. */
export interface History {
  /** The numbers under which samples of each input come, in the order of the rule's inputs. */
  readonly numbers: readonly (readonly PointNo[])[];
  /** Batches ordered by `tGatewayMs`, within and among each other; each is the reader's until it asks for the next. */
  batches(): Iterable<SampleBatch> | AsyncIterable<SampleBatch>;
}

export interface ReplayOptions {
  readonly location: Location;
  /** Epoch ms. */
  readonly fromMs: number;
  /** Time goes on until here after the last sample. */
  readonly toMs: number;
  readonly onFiring: (firing: Firing) => void;
}

export interface ReplayResult {
  readonly samples: number;
  readonly evaluations: number;
  readonly firings: number;
  /** Firings that its own limit would have dropped began so many times. */
  readonly limited: number;
  readonly error: string | undefined;
}

/** Runs one rule over recorded samples, on a clock that goes with them, through the engine that gateways run. */
export async function replay(
  spec: RuleSpec,
  history: History,
  options: ReplayOptions,
): Promise<ReplayResult> {
  const { location, fromMs, toMs, onFiring } = options;
  const clock = new ReplayClock(fromMs);
  let limited = 0;
  const engine = new RuleEngine({
    clock,
    location,
    listener: {
      fired: onFiring,
      ended: () => undefined,
      changed: () => undefined,
      limited: () => {
        limited += 1;
      },
    },
  });
  const [rule] = engine.apply([{ spec, numbers: history.numbers }]);
  engine.begin(engine.rules);
  let samples = 0;
  const moment = new SampleBatch(ROWS);
  const play = () => {
    engine.accept(moment);
    moment.clear();
  };
  for await (const batch of history.batches()) {
    for (let row = 0; row < batch.length; row++) {
      const atMs = batch.tGatewayMs[row] as number;
      if (atMs < fromMs) continue;
      if (atMs > toMs) break;
      if (moment.isFull || (moment.length > 0 && atMs > clock.wallMs())) play();
      clock.advanceTo(atMs);
      moment.copyRow(batch, row);
      samples++;
    }
  }
  play();
  clock.advanceTo(toMs);
  engine.stop();
  return {
    samples,
    limited,
    evaluations: rule?.evaluations ?? 0,
    firings: rule?.firings ?? 0,
    error: rule?.lastError?.message,
  };
}
