import type { Encoded } from './encode.ts';
import type { Table } from './plan.ts';

/** A request's end. Only `ok` and `exception` prove that the device is there. */
export type Outcome<T> =
  | { readonly ok: true; readonly data: T }
  | { readonly ok: false; readonly why: 'timeout' | 'garbled' | 'closed' }
  /** The device refused. @see Modbus Application Protocol V1.1b3 §7 */
  | { readonly ok: false; readonly why: 'exception'; readonly code: number };

/** Whom a request is for and how long the answer may take. */
export interface Target {
  readonly unit: number;
  readonly timeoutMs: number;
}

/**
 * One connection to one or more Modbus units, or several at once. At most `slots` requests are under way: the caller
 * waits for an outcome before it asks again. An answer is never taken for that of another request.
 */
export interface ModbusBus {
  /** Where it leads, for messages. */
  readonly name: string;
  readonly slots: number;
  /** How many connections are open, or are to be. */
  readonly connections: number;
  readonly isOpen: boolean;
  /**
   * @param options.onClose called once when the opened connection ends by itself, not by `close`
   * @throws UnavailableError `MODBUS_CONNECT_FAILED`; the signal's reason when aborted
   */
  open(options: { readonly signal: AbortSignal; readonly onClose: (why: string) => void }): Promise<void>;
  /** Ends the connection at once; an outstanding request ends as `closed`. Closed already: does nothing. */
  close(): void;
  /** @returns the data bytes, as many as `width` calls for; valid until the caller asks again */
  read(target: Target, table: Table, address: number, width: number): Promise<Outcome<Uint8Array>>;
  write(target: Target, address: number, value: Encoded): Promise<Outcome<undefined>>;
}
