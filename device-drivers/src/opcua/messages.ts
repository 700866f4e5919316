import type { OpcuaPoint, PointNo, SampleBatch, Value } from '@millwright/protocol';

/** A server as the worker connects to it. */
export interface OpcuaServer {
  readonly url: string;
  readonly security: 'None' | 'Basic256Sha256' | 'Aes128_Sha256_RsaOaep' | 'Aes256_Sha256_RsaPss';
  readonly mode: 'none' | 'sign' | 'sign+encrypt';
  readonly timeoutMs: number;
  readonly user?:
    | { readonly name: string; readonly password: string }
    /** PEM files. */
    | { readonly certificateFile: string; readonly keyFile: string };
  /** How far back values are read from the server's history after an outage; 0: not at all. */
  readonly backfillMs: number;
  readonly events: readonly WatchedEvents[];
  /** Folder of our certificate and those we trust; absent: one that ends with the worker. */
  readonly pkiDir?: string;
}

/** Events that one device of the line wants to hear of. */
export interface WatchedEvents {
  /** The device's place in the line. */
  readonly device: number;
  /** NodeId of the notifier. */
  readonly from: string;
  readonly minSeverity: number;
  readonly all: boolean;
}

/** An event as the server told it. */
export interface ToldEvent {
  readonly device: number;
  readonly message: string;
  readonly source: string;
  /** NodeId. */
  readonly sourceNode: string;
  readonly severity: number;
  readonly atMs: number;
  /** Absent: it is no condition. */
  readonly condition?: { readonly name: string; readonly active: boolean; readonly acked: boolean };
}

export interface MonitoredPoint {
  readonly no: PointNo;
  readonly node: string;
  readonly as: OpcuaPoint['as'];
  readonly publishMs: number;
  readonly queue: number;
  /** NodeId of the object that the method `node` is called on: the point is an action. */
  readonly callOn?: string;
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
  | {
      readonly op: 'up';
      readonly line: number;
      /** After an outage: for how long nothing was heard, and how many values were read from the server's history. */
      readonly gap?: { readonly forMs: number; readonly recovered: number };
    }
  /** `quietMs`: for how long nothing had been heard already. */
  | { readonly op: 'down'; readonly line: number; readonly why: string; readonly quietMs: number }
  | { readonly op: 'event'; readonly line: number; readonly event: ToldEvent }
  /** The server has named all conditions that are active. */
  | {
      readonly op: 'conditions';
      readonly line: number;
      readonly device: number;
      readonly active: readonly string[];
    }
  /** Something an operator should know. */
  | { readonly op: 'note'; readonly line: number; readonly message: string }
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
