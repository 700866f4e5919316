import {
  bad,
  InvalidInputError,
  type MqttPoint,
  type PointNo,
  type Reason,
  type SampleBatch,
  type Value,
} from '@millwright/protocol';
import type { JSONValue } from 'json-p3';

/** A larger payload is not decoded. */
export const MAX_PAYLOAD_BYTES = 64 * 1024;

const TRUE = new Set(['true', 'on', 'yes', '1']);
const FALSE = new Set(['false', 'off', 'no', '0']);
/** How firmware without a reading says so. */
const NO_READING = new Set(['nan', 'null']);
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const INTEGER = /^[+-]?\d{1,20}$/;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** @returns null when the payload is too large or no UTF-8 */
export function textOf(payload: Uint8Array): string | null {
  if (payload.length > MAX_PAYLOAD_BYTES) return null;
  try {
    return utf8.decode(payload);
  } catch {
    return null;
  }
}

/**
 * @param options.exactIntegers integers beyond 2^53 are returned as their decimal text, not rounded
 * @returns undefined when the text is no JSON
 */
export function parseJson(text: string, options: { readonly exactIntegers: boolean }): JSONValue {
  try {
    if (!options.exactIntegers || !/\d{16}/.test(text)) return JSON.parse(text);
    return JSON.parse(text, (_key: string, value: JSONValue, context?: { readonly source?: string }) =>
      typeof value === 'number' && !Number.isSafeInteger(value) && INTEGER.test(context?.source ?? '')
        ? context?.source
        : value,
    );
  } catch {
    return undefined;
  }
}

/**
 * Adds one sample: the value of `raw` as the point declares it, or no value and the reason.
 * @param raw the payload's text, or what the point picked from its JSON
 */
export function pushPayload(
  batch: SampleBatch,
  no: PointNo,
  nowMs: number,
  point: Pick<MqttPoint, 'as' | 'scale'>,
  raw: JSONValue,
): void {
  const trimmed = typeof raw === 'string' && point.as !== 'text' ? raw.trim() : raw;
  const fault = tryPush(batch, no, nowMs, point, trimmed);
  if (fault !== null) batch.pushNull(no, nowMs, nowMs, bad(fault));
}

function tryPush(
  batch: SampleBatch,
  no: PointNo,
  nowMs: number,
  { as, scale = 1 }: Pick<MqttPoint, 'as' | 'scale'>,
  raw: JSONValue,
): Reason | null {
  if (as === 'text') {
    if (raw === null || raw === undefined) return 'sensor-fault';
    batch.pushText(no, nowMs, nowMs, textFrom(raw));
    return null;
  }
  if (raw === null || (typeof raw === 'string' && NO_READING.has(raw.toLowerCase()))) return 'sensor-fault';
  if (as === 'bool') {
    const flag = boolFrom(raw);
    if (flag === undefined) return 'decode-error';
    batch.pushBool(no, nowMs, nowMs, flag);
    return null;
  }
  if (as === 'int64' && scale === 1) {
    const integer = integerFrom(raw);
    if (integer === undefined) return 'decode-error';
    if (integer < INT64_MIN || integer > INT64_MAX) return 'out-of-range';
    batch.pushInt(no, nowMs, nowMs, integer);
    return null;
  }
  const number = as === 'int64' ? numberOf(integerFrom(raw)) : numberFrom(raw);
  if (number === undefined) return 'decode-error';
  batch.pushNumber(no, nowMs, nowMs, scale === 1 ? number : number * scale);
  return null;
}

function textFrom(raw: Exclude<JSONValue, null | undefined>): string {
  if (typeof raw === 'string') return raw;
  return typeof raw === 'object' ? JSON.stringify(raw) : String(raw);
}

function boolFrom(raw: JSONValue): boolean | undefined {
  if (typeof raw === 'boolean') return raw;
  if (typeof raw !== 'string' && typeof raw !== 'number') return undefined;
  const word = String(raw).toLowerCase();
  if (TRUE.has(word)) return true;
  return FALSE.has(word) ? false : undefined;
}

function integerFrom(raw: JSONValue): bigint | undefined {
  if (typeof raw === 'number') return Number.isSafeInteger(raw) ? BigInt(raw) : undefined;
  return typeof raw === 'string' && INTEGER.test(raw) ? BigInt(raw) : undefined;
}

function numberFrom(raw: JSONValue): number | undefined {
  if (typeof raw === 'number') return Number.isFinite(raw) ? raw : undefined;
  if (typeof raw !== 'string' || !NUMBER.test(raw)) return undefined;
  const number = Number(raw);
  return Number.isFinite(number) ? number : undefined;
}

function numberOf(integer: bigint | undefined): number | undefined {
  return integer === undefined ? undefined : Number(integer);
}

/**
 * The text that is published for a written value: JSON for numbers and booleans, a text as it is.
 * @throws InvalidInputError `VALUE_INVALID`
 */
export function encodeCommand(point: Pick<MqttPoint, 'as' | 'scale' | 'command'>, value: Value): string {
  const { as, scale = 1, command } = point;
  if (as === 'bool' && (typeof value === 'boolean' || value === 0 || value === 1)) {
    return value ? (command?.on ?? 'true') : (command?.off ?? 'false');
  }
  if (as === 'text' && typeof value === 'string') return value;
  if (as === 'float64' && typeof value === 'number' && Number.isFinite(value)) return String(value / scale);
  if (as === 'int64') {
    const raw = typeof value === 'number' && scale !== 1 ? Math.round(value / scale) : value;
    if (typeof raw === 'bigint' && scale === 1 && raw >= INT64_MIN && raw <= INT64_MAX) return String(raw);
    if (typeof raw === 'number' && Number.isSafeInteger(raw)) return String(raw);
  }
  throw new InvalidInputError(
    'VALUE_INVALID',
    `${JSON.stringify(String(value))} is not a value of type ${as}`,
  );
}
