/** What the broker counts, since the gateway started. */
export interface BrokerStats {
  readonly connections: number;
  readonly clients: number;
  /** Most clients at a time since the start. */
  readonly clientsMax: number;
  readonly messagesIn: number;
  readonly bytesIn: number;
  readonly messagesOut: number;
  readonly bytesOut: number;
  readonly retained: number;
  readonly sessions: number;
  /** Messages not queued for an absent client because its queue was full, or not sent to one that does not read. */
  readonly dropped: number;
  /** By code. */
  readonly offences: ReadonlyMap<string, number>;
}
