/** Two ends of a cable: bytes in, bytes out. What they mean is the framing's business. */
export interface Wire {
  /** Where it leads, for messages. */
  readonly name: string;
  /**
   * @param options.onBytes called with what arrived; the bytes are the wire's own again when it returns.
   *   What it throws ends the connection
   * @param options.onClose called once when the opened wire ends by itself, not by `close`
   * @throws UnavailableError `MODBUS_CONNECT_FAILED`; the signal's reason when aborted
   */
  open(options: {
    readonly signal: AbortSignal;
    readonly onBytes: (bytes: Uint8Array) => void;
    readonly onClose: (why: string) => void;
  }): Promise<void>;
  write(bytes: Uint8Array): void;
  /** Ends it at once. Closed already: does nothing. */
  close(): void;
}
