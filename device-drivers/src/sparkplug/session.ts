/** What a broker publishes in our name when we vanish; always QoS 1. */
export interface Will {
  readonly topic: string;
  readonly payload: Uint8Array | string;
  readonly retain: boolean;
}

export interface SessionEvents {
  /** `payload` must not be kept. */
  readonly onMessage: (topic: string, payload: Uint8Array, retained: boolean) => void;
  /** Called once when the session ends without `end`. `why` is a sentence for people. */
  readonly onClosed: (why: string) => void;
}

/** One MQTT session, from CONNECT to its end; nothing of it outlives it. */
export interface Session {
  /** With QoS 1. Resolves when the broker has granted all of them. @throws UnavailableError when it does not */
  subscribe(filters: readonly string[]): Promise<void>;
  /**
   * Keeps the order of calls. Resolves when the message is handed over (QoS 0) or acknowledged (QoS 1).
   * @throws UnavailableError when the session is gone
   */
  publish(
    topic: string,
    payload: Uint8Array | string,
    options: { readonly qos: 0 | 1; readonly retain: boolean },
  ): Promise<void>;
  /**
   * Says DISCONNECT. With MQTT 3.1.1 the broker then forgets the will.
   * @param options.withWill has an MQTT 5 broker publish the will, as an edge node must ask for
   */
  end(options: { readonly withWill: boolean }): Promise<void>;
}

/** An MQTT server that Sparkplug is spoken at. */
export interface SparkplugServer {
  /** For people: host and port. */
  readonly name: string;
  /**
   * Sends one CONNECT, with a clean session.
   * @throws UnavailableError `MQTT_UNREACHABLE`; `MQTT_VERSION` when the next call will speak another version
   */
  open(will: Will, events: SessionEvents, options: { readonly signal: AbortSignal }): Promise<Session>;
}
