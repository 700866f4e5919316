import type { HttpBindings } from '@hono/node-server';
import type { Clock, Logger, Principal, RegionId } from '@millwright/protocol';
import type { Access } from '../auth/access.ts';
import type { EnrolmentTokens } from '../auth/enrolment-tokens.ts';
import type { CommandDesk } from '../commands/command-desk.ts';
import type { EventStreams } from '../events/event-streams.ts';
import type { HistoryReader } from '../history/history-reader.ts';
import type { InventoryReader } from '../inventory/inventory-reader.ts';
import type { JournalReader } from '../inventory/journal-reader.ts';
import type { Database } from '../store/database.ts';
import type { Overview } from '../summary/overview.ts';

/** Who calls, as `guard` has found out. */
export interface Caller {
  readonly principal: Principal;
  /** Set when the call came with a session cookie. */
  readonly session?: { readonly secret: string; readonly expiresAtMs: number };
}

export interface ApiEnv {
  Bindings: HttpBindings;
  Variables: { caller: Caller };
}

export interface ApiDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly database: Database;
  readonly access: Access;
  readonly enrolment: EnrolmentTokens;
  readonly commands: CommandDesk;
  readonly streams: EventStreams;
  readonly history: HistoryReader;
  readonly inventory: InventoryReader;
  readonly journals: JournalReader;
  readonly overview: Overview;
  /** Prometheus' text format. */
  readonly metrics: () => Promise<string>;
}

export interface ApiConfig {
  readonly region: RegionId;
  readonly version: string;
  /** Where browsers find the console, such as `https://north.example`; what is not https has cookies without `Secure`. */
  readonly publicUrl: string;
  /** Names besides `publicUrl`'s under which requests are answered. */
  readonly hosts: readonly string[];
  /** The built console. */
  readonly consoleDirectory: string;
}
