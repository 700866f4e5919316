import type { OpcuaPoint, PointNo, SampleBatch, Value } from '@millwright/protocol';

/** A server as the worker connects to it. */
export interface OpcuaServer {
  readonly url: string;
  readonly security: 'None' | 'Basic256Sha256' | 'Aes128_Sha256_RsaOaep' | 'Aes256_Sha256_RsaPss';
  readonly mode: 'none' | 'sign' | 'sign+encrypt';
  readonly timeoutMs: number;
  /** Folder of our certificate and those we trust; absent: one that ends with the worker. */
  readonly pkiDir?: string;
}

export interface MonitoredPoint {
  readonly no: PointNo;
  readonly node: string;
  readonly as: OpcuaPoint['as'];
  readonly publishMs: number;
  readonly queue: number;
}

/** Columns of a batch without the gateway's time, which the parent stamps by its own clock. */
export interface PackedSamples {
  readonly point: Uint32Array;
  readonly tSourceMs: Float64Array;
  readonly kind: Uint8Array;
  readonly quality: Uint8Array;
  readonly words: Int32Array;
  readonly strings: readonly string[];
}

export type ToWorker =
  | {
      readonly op: 'open';
      readonly line: number;
      readonly server: OpcuaServer;
      readonly points: readonly MonitoredPoint[];
    }
  | { readonly op: 'close'; readonly line: number }
  | { readonly op: 'read'; readonly line: number; readonly id: number; readonly no: PointNo }
  | {
      readonly op: 'write';
      readonly line: number;
      readonly id: number;
      readonly no: PointNo;
      readonly value: Value;
    }
  /** Samples taken; the worker sends no more than a window ahead. */
  | { readonly op: 'ack'; readonly line: number; readonly samples: number };

export type FromWorker =
  | { readonly op: 'ready' }
  | {
      readonly op: 'samples';
      readonly line: number;
      readonly samples: PackedSamples;
      /** Older values of the same points that were given up because the parent did not keep up. */
      readonly dropped: number;
    }
  | { readonly op: 'up'; readonly line: number }
  | { readonly op: 'down'; readonly line: number; readonly why: string }
  | { readonly op: 'closed'; readonly line: number }
  | { readonly op: 'done'; readonly line: number; readonly id: number; readonly value: Value }
  | {
      readonly op: 'failed';
      readonly line: number;
      readonly id: number;
      readonly kind: 'invalid' | 'unavailable';
      readonly code: string;
      readonly message: string;
    }
  | { readonly op: 'log'; readonly message: string };

/** What concerns one line while it is open. */
export type LineMessage = Exclude<Extract<FromWorker, { line: number }>, { op: 'closed' }>;

/** Most samples in one message. */
export const MAX_PACKED_SAMPLES = 4096;

/** Views of rows [from, to): valid until the batch changes, which serialising does not wait for. */
export function pack(batch: SampleBatch, from: number, to: number): PackedSamples {
  return {
    point: batch.point.subarray(from, to),
    tSourceMs: batch.tSourceMs.subarray(from, to),
    kind: batch.kind.subarray(from, to),
    quality: batch.quality.subarray(from, to),
    words: batch.words.subarray(2 * from, 2 * to),
    strings: batch.strings,
  };
}

/** Fills `batch`, which holds at least `MAX_PACKED_SAMPLES`, with what was packed. */
export function unpack(samples: PackedSamples, batch: SampleBatch, tGatewayMs: number): void {
  batch.clear();
  batch.length = samples.point.length;
  batch.point.set(samples.point);
  batch.tSourceMs.set(samples.tSourceMs);
  batch.tGatewayMs.fill(tGatewayMs, 0, batch.length);
  batch.kind.set(samples.kind);
  batch.quality.set(samples.quality);
  batch.words.set(samples.words);
  for (const text of samples.strings) batch.strings.push(text);
}
