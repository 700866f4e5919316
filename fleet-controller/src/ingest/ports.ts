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
  /** Records a connection. @returns what is held: position within `hello.epoch` (null = nothing) and catalogue size */
  hello(
    hello: Extract<UplinkUp, { type: 'hello' }>,
  ): Promise<{ readonly acked: JournalPosition | null; readonly catalogSize: number }>;
  /** Appends what is new of `entries`; numbers already held are ignored. @throws InvalidInputError when a number is skipped or redefined */
  appendCatalog(gateway: GatewayId, from: number, entries: readonly CatalogEntry[]): Promise<void>;
  upsertDevices(gateway: GatewayId, devices: readonly DeviceStatus[], complete: boolean): Promise<void>;
  /**
   * Stores entries in one transaction, ignoring those held already (same gateway, epoch, seq).
   * @returns the position up to which everything is durable without a hole
   * @throws InvalidInputError for an entry that cannot be read; the others of the call are not stored
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
