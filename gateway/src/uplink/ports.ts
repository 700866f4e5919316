import type {
  AlarmCommand,
  CatalogEntry,
  DeviceStatus,
  GatewayId,
  Receipt,
  SampleBatch,
  SiteId,
  WriteCommand,
} from '@millwright/protocol';

/** What the uplink tells the region about this gateway; fixed for the life of the process. */
export interface GatewayFacts {
  readonly gateway: GatewayId;
  readonly name: string;
  readonly site: SiteId;
  readonly version: string;
  readonly startedAtMs: number;
}

/** The append-only point catalogue, in number order. */
export interface CatalogSource {
  entries(): readonly CatalogEntry[];
  onGrown(listener: () => void): () => void;
}

export interface DeviceStatusSource {
  statuses(): readonly DeviceStatus[];
  onChanged(listener: (changed: readonly DeviceStatus[]) => void): () => void;
}

/** The live lane: at most one pending value per point, newest wins. */
export interface LiveSource {
  /** Moves the points that changed since the last call into `into` (up to its capacity). @returns false when nothing changed */
  drainInto(into: SampleBatch): boolean;
  /** Called when something changed after the last drain. @returns unsubscribe */
  onDirty(listener: () => void): () => void;
  /** Marks every point changed, so that a new uplink starts from the full picture. */
  markAllDirty(): void;
}

export type CommandHandler = (command: WriteCommand) => Promise<Receipt>;
/** Never rejects. */
export type AlarmHandler = (command: AlarmCommand) => Promise<Receipt>;

export type UplinkState =
  | { readonly state: 'connected'; readonly region: string; readonly sinceMs: number }
  | { readonly state: 'connecting' | 'stopped'; readonly why?: string };
