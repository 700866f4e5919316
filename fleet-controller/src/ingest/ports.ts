import type {
  CatalogEntry,
  DeviceStatus,
  EnrolRequest,
  GatewayId,
  JournalEntry,
  JournalPosition,
  SampleBatch,
  UplinkUp,
} from '@millwright/protocol';

export type EnrolResult =
  | { readonly ok: true; readonly gateway: GatewayId }
  | {
      readonly ok: false;
      readonly code: 'TOKEN_UNKNOWN' | 'TOKEN_EXPIRED' | 'TOKEN_USED' | 'TOKEN_SITE' | 'NAME_TAKEN';
      readonly message: string;
    };

/** Where what gateways send is kept. Every promise resolves only when the data is durable. */
export interface IngestStore {
  /**
   * Spends a token and records the gateway, in one transaction.
   * @param publicKey raw Ed25519 key of the peer; repeating an enrolment with the same key succeeds without a second use
   */
  enrol(request: EnrolRequest, publicKey: Uint8Array): Promise<EnrolResult>;
  /** The enrolled gateway with this key, or null. */
  gatewayByKey(publicKey: Uint8Array): Promise<GatewayId | null>;
  /**
   * Records a connection.
   * @returns what is held: position within `hello.epoch` (null = nothing), catalogue size, and the newest source time
   *   of any frame of this gateway (absent = no frame)
   */
  hello(hello: Extract<UplinkUp, { type: 'hello' }>): Promise<{
    readonly acked: JournalPosition | null;
    readonly catalogSize: number;
    readonly heldUntilMs?: number;
  }>;
  /** Appends what is new of `entries`; numbers already held are ignored. @throws InvalidInputError when a number is skipped or redefined */
  appendCatalog(gateway: GatewayId, from: number, entries: readonly CatalogEntry[]): Promise<void>;
  /** @param complete `devices` is the whole list: what it does not name is gone */
  upsertDevices(gateway: GatewayId, devices: readonly DeviceStatus[], complete: boolean): Promise<void>;
  /**
   * Stores entries of one epoch, in order, in one transaction. What is held already (same gateway, epoch, seq) is
   * ignored; of a gap that is held in part, the rest is stored. The first `seq` of an epoch is 0.
   * @returns the position up to which everything is durable
   * @throws InvalidInputError for an entry that cannot be read or would leave a hole (`ENTRY_HOLE`); nothing of the call is stored then
   */
  appendEntries(gateway: GatewayId, entries: readonly JournalEntry[]): Promise<JournalPosition>;
  setConnected(gateway: GatewayId, connected: boolean): Promise<void>;
}

/** Newest values as they arrive, for the API and the event stream; not durable. */
export interface LiveHub {
  /** `batch` is reused by the caller. */
  accept(gateway: GatewayId, batch: SampleBatch): void;
  connected(gateway: GatewayId, connected: boolean): void;
}
