import {
  describeError,
  InvalidInputError,
  type JsonValue,
  MillwrightError,
  type Receipt,
  type Sample,
  toJsonValue,
  type WriteCommand,
} from '@millwright/protocol';
import type { Checked } from './command-check.ts';

const MAX_RAW = 1000;

/** What became of a command, before it is dated and recorded. */
export type Outcome = Pick<Receipt, 'result' | 'code' | 'message' | 'before' | 'readBack' | 'raw'>;

/** Only the device's own "no" is a refusal; after anything else the write may have arrived. */
export function failedWrite(what: string, error: unknown): Outcome {
  const code = error instanceof MillwrightError ? error.code : 'WRITE_FAILED';
  if (error instanceof InvalidInputError) {
    return { result: 'refused', code, message: `${what} was not written: ${describeError(error)}` };
  }
  return { result: 'unknown', code, message: `${what} may have been written: ${describeError(error)}` };
}

/** What a command that went through every check would do, in the words of the device's protocol where it has them. */
export function rehearsal(
  command: WriteCommand,
  target: Extract<Checked, { ok: true }>,
  before: Sample | undefined,
): Outcome {
  const { device, driver, value } = target;
  const what = `${command.point} of ${device.name}`;
  try {
    const raw = driver.describeWrite?.(command.device, command.point, value).slice(0, MAX_RAW);
    return {
      result: 'done',
      message: `${what} would be written as ${describeValue(command.value)}; nothing was moved`,
      ...(before === undefined ? {} : { before: toJsonValue(before.v) }),
      ...(raw === undefined ? {} : { raw }),
    };
  } catch (error) {
    return failedWrite(what, error);
  }
}

export function describeValue(value: JsonValue): string {
  return JSON.stringify(shortened(value));
}

export function shortened(value: JsonValue): JsonValue {
  return typeof value === 'string' ? value.slice(0, 200) : value;
}
