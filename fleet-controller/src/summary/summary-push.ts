import { readFile } from 'node:fs/promises';
import {
  type Clock,
  delay,
  describeError,
  type Lifecycle,
  type Logger,
  type RegionId,
  UnavailableError,
} from '@millwright/protocol';
import type { SummaryWriter } from './region-summary.ts';

const EVERY_MS = 10_000;
const MAX_WAIT_MS = 60_000;
const ANSWER_WITHIN_MS = 10_000;

export interface CloudConfig {
  readonly url: string;
  /** Holds the bearer token; read before each push, so that it can be changed under way. */
  readonly tokenFile: string;
}

/** Tells the cloud every ten seconds how the region is; while it is away, less often. */
export class SummaryPush implements Lifecycle {
  readonly #deps: { readonly clock: Clock; readonly logger: Logger; readonly summary: SummaryWriter };
  readonly #config: CloudConfig & { readonly region: RegionId };
  #stopping: AbortController | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(
    deps: { readonly clock: Clock; readonly logger: Logger; readonly summary: SummaryWriter },
    config: CloudConfig & { readonly region: RegionId },
  ) {
    this.#deps = deps;
    this.#config = config;
  }

  async start(): Promise<void> {
    if (this.#stopping !== undefined) return;
    this.#stopping = new AbortController();
    this.#running = this.#run(this.#stopping.signal);
  }

  async stop(): Promise<void> {
    this.#stopping?.abort(new UnavailableError('STOPPING', 'the region is being stopped'));
    this.#stopping = undefined;
    await this.#running;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps;
    let waitMs = EVERY_MS;
    let isDown: boolean | undefined;
    while (!signal.aborted) {
      try {
        await this.#push(signal);
        if (isDown !== false) logger.info(`the cloud at ${this.#config.url} hears of this region`);
        isDown = false;
        waitMs = EVERY_MS;
      } catch (error) {
        if (signal.aborted) return;
        if (isDown !== true) logger.warn(`the cloud hears nothing of this region: ${describeError(error)}`);
        isDown = true;
        waitMs = Math.min(2 * waitMs, MAX_WAIT_MS);
      }
      const jittered = isDown === true ? waitMs * (0.5 + Math.random() / 2) : waitMs;
      await delay(clock, jittered, { signal }).catch(() => undefined);
    }
  }

  async #push(signal: AbortSignal): Promise<void> {
    const { url, region, tokenFile } = this.#config;
    const token = (await readFile(tokenFile, 'utf8')).trim();
    const summary = await this.#deps.summary.write();
    const response = await fetch(new URL(`/api/v1/regions/${region}/summary`, url), {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(summary),
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]),
    });
    const text = await response.text();
    if (!response.ok) {
      throw new UnavailableError('CLOUD_REFUSED', `it answered ${response.status}: ${text.slice(0, 300)}`);
    }
    this.#deps.summary.arrived(summary.atMs);
  }
}
