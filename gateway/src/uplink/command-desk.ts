import {
  AlarmCommand,
  type Clock,
  describeError,
  type Logger,
  PROTOCOLS,
  Receipt,
  UnauthorizedError,
  WriteCommand,
  withDeadline,
} from '@millwright/protocol';
import type { Channel, Host, HostConnection } from '@millwright/protocol/node';
import type { AlarmHandler, CommandHandler } from './ports.ts';

const REQUEST_WITHIN_MS = 10_000;
const MAX_AT_ONCE = 16;

export interface CommandDeskDeps {
  readonly host: Host;
  readonly handler: CommandHandler;
  readonly alarms?: AlarmHandler | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whom commands are taken from; undefined while the gateway has no region. */
  readonly regionPeer: () => string | undefined;
}

/** Takes commands from the region this gateway is enrolled in, and from nobody else. */
export class CommandDesk {
  readonly #deps: CommandDeskDeps;
  #open = 0;

  constructor(deps: CommandDeskDeps) {
    this.#deps = deps;
  }

  serve(): void {
    const schemas = { receive: WriteCommand, send: Receipt };
    const { host } = this.#deps;
    host.serve(PROTOCOLS.command, schemas, (channel, connection) =>
      this.#answer(channel, connection, (command) => this.#carryOut(command)),
    );
    host.serve(PROTOCOLS.dryRun, schemas, (channel, connection) =>
      this.#answer(channel, connection, (command) => this.#carryOut({ ...command, dryRun: true })),
    );
    const { alarms } = this.#deps;
    if (alarms === undefined) return;
    host.serve(PROTOCOLS.alarm, { receive: AlarmCommand, send: Receipt }, (channel, connection) =>
      this.#answer(channel, connection, alarms),
    );
  }

  async #answer<T>(
    channel: Channel<T, Receipt>,
    connection: HostConnection,
    carryOut: (command: T) => Promise<Receipt>,
  ): Promise<void> {
    const { clock, logger, regionPeer } = this.#deps;
    if (connection.peerId !== regionPeer()) {
      logger.warn({ peer: connection.peerId }, 'a command from a stranger was refused');
      throw new UnauthorizedError('NOT_THE_REGION', 'commands are taken from the own region only');
    }
    const command = await withDeadline(
      { clock, withinMs: REQUEST_WITHIN_MS, what: 'the command' },
      (signal) => channel.receive({ signal }),
    );
    if (command !== undefined) await channel.send(await carryOut(command));
  }

  async #carryOut(command: WriteCommand): Promise<Receipt> {
    const { handler, clock, logger } = this.#deps;
    if (this.#open >= MAX_AT_ONCE) {
      return {
        id: command.id,
        result: 'refused',
        code: 'BUSY',
        message: `the gateway is carrying out ${MAX_AT_ONCE} commands already; nothing was done`,
        atMs: clock.wallMs(),
      };
    }
    this.#open += 1;
    try {
      return await handler(command);
    } catch (error) {
      logger.error({ err: error, command: command.id }, 'a command ended without a receipt');
      return {
        id: command.id,
        result: 'unknown',
        code: 'INTERNAL',
        message: `it may have been carried out: ${describeError(error)}`.slice(0, 500),
        atMs: clock.wallMs(),
      };
    } finally {
      this.#open -= 1;
    }
  }
}
