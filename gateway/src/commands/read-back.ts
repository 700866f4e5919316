import {
  type Clock,
  type DeviceSlug,
  delay,
  describeError,
  MillwrightError,
  type PointId,
  type Value,
} from '@millwright/protocol';
import type { CommandDevice, CommandPoint, CommandPoints } from './ports.ts';
import { isSameValue, toleranceOf } from './target-value.ts';

const ASK_EVERY_MS = 100;

export type ReadBack =
  | { readonly result: 'same'; readonly value: Value }
  | { readonly result: 'different'; readonly value: Value }
  | { readonly result: 'none'; readonly why: string };

export interface ReadBackTarget {
  readonly device: DeviceSlug;
  readonly pointId: PointId;
  readonly point: CommandPoint;
  readonly driver: NonNullable<CommandDevice['driver']>;
  readonly wanted: Value;
}

/**
 * Asks the device until it says what was written, at most `write.confirm.readback` long: a drive ramps, a valve turns.
 * Where the protocol cannot be asked, waits for the next sample instead.
 * @param before the newest sample from before the write
 */
export async function readBack(
  deps: { readonly clock: Clock; readonly points: CommandPoints },
  target: ReadBackTarget,
  before: ReturnType<CommandPoints['latest']>,
  options: { readonly signal: AbortSignal },
): Promise<ReadBack> {
  const { clock, points } = deps;
  const { point, wanted } = target;
  const waitMs = point.spec.write?.confirm.readback ?? 0;
  const deadlineMs = clock.monotonicMs() + waitMs;
  const tolerance = toleranceOf(point.spec);
  const timeout = new AbortController();
  const cancel = clock.after(waitMs, () =>
    timeout.abort(new MillwrightError('TIMEOUT', `no answer within ${waitMs} ms`)),
  );
  const signal = AbortSignal.any([timeout.signal, options.signal]);
  let last: ReadBack | undefined;
  try {
    for (;;) {
      const found = await ask(target, signal).catch((error: unknown) => ({ why: describeError(error) }));
      const heard = found === null ? newer(points.latest(point.no), before) : found;
      if (heard !== undefined && 'value' in heard) {
        const same = isSameValue(wanted, heard.value, tolerance);
        if (same) return { result: 'same', value: heard.value };
        last = { result: 'different', value: heard.value };
      } else if (heard !== undefined && !signal.aborted) last ??= { result: 'none', why: heard.why };
      if (signal.aborted || clock.monotonicMs() + ASK_EVERY_MS > deadlineMs) {
        return last ?? { result: 'none', why: `no new value within ${waitMs} ms` };
      }
      await delay(clock, ASK_EVERY_MS, { signal }).catch(() => undefined);
    }
  } finally {
    cancel();
  }
}

type Heard = { readonly value: Value } | { readonly why: string } | undefined;

/** @returns null when the protocol cannot be asked */
async function ask(target: ReadBackTarget, signal: AbortSignal): Promise<Heard | null> {
  const { driver, device, pointId } = target;
  const value = await untilAborted(driver.read(device, pointId, { signal }), signal);
  return value === null ? null : { value };
}

/** A sample that came after the write; compared by its times, which are new, not by order: the wall clock may jump. */
function newer(now: ReturnType<CommandPoints['latest']>, before: ReturnType<CommandPoints['latest']>): Heard {
  if (now === undefined || now.q === 'bad') return undefined;
  const isOld = before !== undefined && now.tGateway === before.tGateway && now.tSource === before.tSource;
  return isOld ? undefined : { value: now.v };
}

/** A driver that ignores its signal must not hold up the command. */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
    if (signal.aborted) abort();
  });
}
