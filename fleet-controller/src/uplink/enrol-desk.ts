import {
  type Clock,
  EnrolAnswer,
  EnrolRequest,
  type Logger,
  MillwrightError,
  PROTOCOLS,
  parseEnrolToken,
  type RegionId,
  withDeadline,
} from '@millwright/protocol';
import type { Channel, Host, HostConnection } from '@millwright/protocol/node';
import type { IngestStore } from '../ingest/ports.ts';
import { RateLimit } from './rate-limit.ts';

const REQUEST_WITHIN_MS = 10_000;
const MAX_AT_ONCE = 8;
/** A site's gateways share one address; whoever guesses tokens needs 2^127 of these. */
const PER_ADDRESS = { count: 120, perMs: 60_000 };

export interface EnrolDeskDeps {
  readonly host: Host;
  readonly store: IngestStore;
  readonly region: RegionId;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The one thing a stranger may ask: to be enrolled. */
export class EnrolDesk {
  readonly #deps: EnrolDeskDeps;
  readonly #limit: RateLimit;
  #open = 0;

  constructor(deps: EnrolDeskDeps) {
    this.#deps = deps;
    this.#limit = new RateLimit(deps, PER_ADDRESS);
  }

  serve(): void {
    const schemas = { receive: EnrolRequest, send: EnrolAnswer };
    this.#deps.host.serve(
      PROTOCOLS.enrol,
      schemas,
      (channel, connection) => this.#answer(channel, connection),
      { maxChannelsPerConnection: 1 },
    );
  }

  async #answer(channel: Channel<EnrolRequest, EnrolAnswer>, connection: HostConnection): Promise<void> {
    if (!this.#limit.allows(hostOf(connection.remoteAddress))) {
      await channel.send(refused('RATE_LIMITED', 'too many enrolments from this address; try again later'));
      return;
    }
    if (this.#open >= MAX_AT_ONCE) {
      await channel.send(refused('BUSY', 'too many enrolments at once; try again'));
      return;
    }
    this.#open += 1;
    try {
      const request = await withDeadline(
        { clock: this.#deps.clock, withinMs: REQUEST_WITHIN_MS, what: 'the enrolment' },
        (signal) => channel.receive({ signal }),
      );
      if (request !== undefined) await channel.send(await this.#decide(request, connection));
    } finally {
      this.#open -= 1;
    }
  }

  async #decide(request: EnrolRequest, connection: HostConnection): Promise<EnrolAnswer> {
    const { host, store, region, logger } = this.#deps;
    const about = { peer: connection.peerId, name: request.name, from: connection.remoteAddress };
    try {
      if (parseEnrolToken(request.token).regionPeer !== host.peerId) {
        return refused('TOKEN_UNKNOWN', 'the token was issued by another region');
      }
      const result = await store.enrol(request, connection.publicKey);
      if (!result.ok) {
        logger.warn({ ...about, code: result.code }, 'an enrolment was refused');
        return refused(result.code, result.message);
      }
      logger.info({ ...about, gateway: result.gateway }, 'a gateway enrolled');
      return { result: 'enrolled', gateway: result.gateway, region };
    } catch (error) {
      if (error instanceof MillwrightError && error.code === 'TOKEN_MALFORMED') {
        return refused('TOKEN_UNKNOWN', error.message);
      }
      logger.error({ ...about, err: error }, 'an enrolment failed');
      return refused('REGION_UNAVAILABLE', 'the region cannot enrol gateways at the moment; try again');
    }
  }
}

function refused(code: string, message: string): EnrolAnswer {
  return { result: 'refused', code, message: message.slice(0, 300) };
}

/** `/ip4/10.0.0.7/tcp/4100/…` → `/ip4/10.0.0.7`. */
function hostOf(multiaddress: string): string {
  return multiaddress.split('/').slice(0, 3).join('/');
}
