import { type ChildProcess, spawn } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import {
  type Clock,
  delay,
  describeError,
  type Lifecycle,
  type Logger,
  UnavailableError,
} from '@millwright/protocol';
import { createStream, type RotatingFileStream } from 'rotating-file-stream';

export interface ProcessSpec {
  readonly name: string;
  /** Arguments of `millwright`. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The process writes it when it is ready; removed before every start. */
  readonly readyFile: string;
  readonly logFile: string;
}

interface SupervisorDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The program every process runs: `millwright.ts`. */
  readonly program: string;
}

const FIRST_BACKOFF_MS = 200;
const MAX_BACKOFF_MS = 10_000;
/** A process that ran this long is healthy again: its next fall is a first fall. */
const HEALTHY_AFTER_MS = 20_000;
const READY_POLL_MS = 25;
const STOP_GRACE_MS = 15_000;

/**
 * Keeps one child process running until `stop`: restarts it with growing pauses when it falls,
 * and writes what it prints to a log file bounded in size.
 */
export class SupervisedProcess implements Lifecycle {
  readonly spec: ProcessSpec;
  readonly #deps: SupervisorDeps;
  #child: ChildProcess | undefined;
  #log: RotatingFileStream | undefined;
  #loop: Promise<void> | undefined;
  readonly #stopping = new AbortController();
  #lastLines = '';
  #restarts = 0;

  constructor(spec: ProcessSpec, deps: SupervisorDeps) {
    this.spec = spec;
    this.#deps = deps;
  }

  /** Process id while it runs. */
  get pid(): number | undefined {
    return this.#child?.exitCode === null && this.#child.signalCode === null ? this.#child.pid : undefined;
  }

  get restarts(): number {
    return this.#restarts;
  }

  /** What it printed last, for error messages. */
  get lastLines(): string {
    return this.#lastLines.trimEnd().split('\n').slice(-12).join('\n');
  }

  async start(): Promise<void> {
    if (this.#loop !== undefined || this.#stopping.signal.aborted) return;
    this.#log = createStream(this.spec.logFile, { size: '5M', maxFiles: 2 });
    this.#loop = this.#run();
  }

  /**
   * @returns the parsed ready file
   * @throws UnavailableError `PROCESS_NOT_READY` after `timeoutMs`, or at once when it keeps falling
   */
  async ready(options: {
    readonly signal: AbortSignal;
    readonly timeoutMs: number;
  }): Promise<Record<string, unknown>> {
    const { clock } = this.#deps;
    const deadline = clock.monotonicMs() + options.timeoutMs;
    for (;;) {
      const text = await readFile(this.spec.readyFile, 'utf8').catch(() => undefined);
      if (text !== undefined) return JSON.parse(text) as Record<string, unknown>;
      if (this.#restarts >= 3 || clock.monotonicMs() > deadline) {
        throw new UnavailableError(
          'PROCESS_NOT_READY',
          `${this.spec.name} did not get ready; the last it printed:\n${this.lastLines || '(nothing)'}`,
          { hint: `see ${this.spec.logFile}` },
        );
      }
      await delay(clock, READY_POLL_MS, { signal: options.signal });
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('stopping'));
    const child = this.#child;
    if (child !== undefined && this.pid !== undefined) {
      const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
      child.kill('SIGTERM');
      const cancel = this.#deps.clock.after(STOP_GRACE_MS, () => child.kill('SIGKILL'));
      await gone;
      cancel();
    }
    await this.#loop;
    const log = this.#log;
    this.#log = undefined;
    if (log !== undefined) await new Promise<void>((resolve) => log.end(resolve));
  }

  async #run(): Promise<void> {
    const { clock, logger } = this.#deps;
    const { signal } = this.#stopping;
    let backoffMs = FIRST_BACKOFF_MS;
    while (!signal.aborted) {
      const startedMs = clock.monotonicMs();
      const end = await this.#once();
      if (signal.aborted) return;
      this.#restarts += 1;
      if (clock.monotonicMs() - startedMs > HEALTHY_AFTER_MS) backoffMs = FIRST_BACKOFF_MS;
      logger.warn(
        { process: this.spec.name, end, againInMs: backoffMs },
        'a process fell; starting it again',
      );
      await delay(clock, backoffMs * (0.5 + Math.random() / 2), { signal }).catch(() => undefined);
      backoffMs = Math.min(backoffMs * 2, MAX_BACKOFF_MS);
    }
  }

  /** One life of the process. @returns how it ended */
  async #once(): Promise<string> {
    await rm(this.spec.readyFile, { force: true });
    return new Promise((resolve) => {
      const child = spawn(process.execPath, [this.#deps.program, ...this.spec.args], {
        env: { ...process.env, ...this.spec.env },
        // The channel carries nothing: its closing tells the child that this process is gone.
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
        // A group of its own: Ctrl-C reaches this process alone, which then stops the others in order.
        detached: true,
      });
      this.#child = child;
      const keep = (chunk: Buffer) => {
        this.#lastLines = (this.#lastLines + chunk.toString('utf8')).slice(-8000);
        this.#log?.write(chunk);
      };
      child.stdout?.on('data', keep);
      child.stderr?.on('data', keep);
      child.once('error', (error) => resolve(describeError(error)));
      child.once('close', (code, killedBy) => resolve(killedBy ?? `exit code ${code}`));
    });
  }
}
