import {
  type Clock,
  decodeFrame,
  type Frame,
  LiveUp,
  type Logger,
  MAX_FRAME_SAMPLES,
  PROTOCOLS,
  SampleBatch,
  UnauthorizedError,
} from '@millwright/protocol';
import type { Channel, Host, HostConnection } from '@millwright/protocol/node';
import { z } from 'zod';
import type { LiveHub } from '../ingest/ports.ts';
import type { GatewaySession } from './gateway-session.ts';

/** A live value may overtake the catalogue line that names its point. */
const CATALOG_WITHIN_MS = 2_000;

export interface LiveDeskDeps {
  readonly host: Host;
  readonly hub: LiveHub;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The session that speaks over the connection. */
  readonly sessionOf: (connection: HostConnection) => GatewaySession | undefined;
}

/** Receives newest values and passes them on at once. */
export class LiveDesk {
  readonly #deps: LiveDeskDeps;
  /** One for all gateways: it is filled and emptied within one tick. */
  readonly #batch = new SampleBatch(MAX_FRAME_SAMPLES);

  constructor(deps: LiveDeskDeps) {
    this.#deps = deps;
  }

  serve(): void {
    const schemas = { receive: LiveUp, send: z.never() };
    this.#deps.host.serve(
      PROTOCOLS.live,
      schemas,
      (channel, connection) => this.#receive(channel, connection),
      { maxChannelsPerConnection: 2 },
    );
  }

  async #receive(channel: Channel<LiveUp, never>, connection: HostConnection): Promise<void> {
    const { sessionOf, logger } = this.#deps;
    const session = sessionOf(connection);
    if (session === undefined) {
      throw new UnauthorizedError('NO_UPLINK', 'live values are taken from connections with an uplink only');
    }
    for await (const { bytes } of channel) {
      let frame: Frame;
      try {
        frame = decodeFrame(bytes);
      } catch (error) {
        logger.warn({ err: error, gateway: session.gateway }, 'a live frame cannot be read');
        throw error;
      }
      await session.catalogReaches(frame.points.at(-1)?.point ?? 0, CATALOG_WITHIN_MS);
      this.#passOn(session, frame);
    }
  }

  #passOn(session: GatewaySession, frame: Frame): void {
    this.#batch.clear();
    try {
      frame.readAll(this.#batch);
      this.#deps.hub.accept(session.gateway, this.#batch);
    } finally {
      this.#batch.clear();
    }
  }
}
