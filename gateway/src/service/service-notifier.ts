import { execFile } from 'node:child_process';
import { type Clock, every, type Lifecycle, type Logger } from '@millwright/protocol';
import { z } from 'zod';

const BINARY = 'systemd-notify';
const ANSWER_WITHIN_MS = 10_000;

/** What systemd tells a service in its environment. @see sd_notify(3), sd_watchdog_enabled(3) */
export const ServiceEnvironment = z.object({
  NOTIFY_SOCKET: z.string().min(1).optional(),
  WATCHDOG_USEC: z.coerce.number().int().positive().optional(),
  WATCHDOG_PID: z.coerce.number().int().positive().optional(),
  PATH: z.string().optional(),
});
export type ServiceEnvironment = z.infer<typeof ServiceEnvironment>;

export interface ServiceNotifierDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** While this says no, the watchdog gets no sign of life, and systemd restarts the service. */
  readonly isHealthy: () => boolean;
}

/**
 * Tells systemd that the gateway is ready, how it fares and that it lives; does nothing where there is no systemd.
 * The unit needs `Type=notify` and `NotifyAccess=all`, because a child process speaks for the gateway:
 * Node has no datagram sockets in the file system.
 */
export class ServiceNotifier implements Lifecycle {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #isHealthy: () => boolean;
  readonly #environment: ServiceEnvironment;
  readonly #pid: number;
  #stopWatchdog: (() => void) | undefined;
  #isSending = false;
  #isFailing = false;
  #wasHealthy = true;

  constructor(
    deps: ServiceNotifierDeps,
    config: { readonly environment: ServiceEnvironment; readonly pid: number },
  ) {
    this.#clock = deps.clock;
    this.#logger = deps.logger;
    this.#isHealthy = deps.isHealthy;
    this.#environment = config.environment;
    this.#pid = config.pid;
  }

  /** Begins the signs of life; `ready` is said by whoever knows. */
  async start(): Promise<void> {
    const {
      WATCHDOG_USEC: withinUs,
      WATCHDOG_PID: pid = this.#pid,
      NOTIFY_SOCKET: socket,
    } = this.#environment;
    if (this.#stopWatchdog !== undefined || socket === undefined || withinUs === undefined) return;
    if (pid !== this.#pid) return;
    this.#stopWatchdog = every(this.#clock, withinUs / 1000 / 2, () => void this.#beat());
  }

  async stop(): Promise<void> {
    this.#stopWatchdog?.();
    this.#stopWatchdog = undefined;
    await this.#send(['STOPPING=1']);
  }

  /** @param status one line, shown by `systemctl status` */
  async ready(status: string): Promise<void> {
    await this.#send(['--ready', `--status=${oneLine(status)}`]);
  }

  async status(status: string): Promise<void> {
    await this.#send([`--status=${oneLine(status)}`]);
  }

  async #beat(): Promise<void> {
    const isHealthy = this.#isHealthy();
    if (isHealthy !== this.#wasHealthy) {
      if (isHealthy) this.#logger.info('healthy again; the watchdog is fed');
      else this.#logger.error('not healthy; the watchdog is not fed and will restart the service');
    }
    this.#wasHealthy = isHealthy;
    if (!isHealthy || this.#isSending) return;
    this.#isSending = true;
    await this.#send(['WATCHDOG=1']);
    this.#isSending = false;
  }

  async #send(args: readonly string[]): Promise<void> {
    const { NOTIFY_SOCKET: socket, PATH } = this.#environment;
    if (socket === undefined) return;
    const env = { NOTIFY_SOCKET: socket, ...(PATH === undefined ? {} : { PATH }) };
    const failure = await new Promise<Error | null>((resolve) => {
      execFile(BINARY, args, { env, timeout: ANSWER_WITHIN_MS }, (error) => resolve(error));
    });
    if ((failure !== null) === this.#isFailing) return;
    this.#isFailing = failure !== null;
    if (failure === null) this.#logger.info('systemd is told again');
    else this.#logger.warn({ error: failure.message.trim() }, `systemd is not told: ${BINARY} failed`);
  }
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').slice(0, 200);
}
