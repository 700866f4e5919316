import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Clock, delay, type Logger } from '@millwright/protocol';
import type { FromWorker, LineMessage, ToWorker } from './messages.ts';

const FIRST_RESTART_MS = 500;
const SLOWEST_RESTART_MS = 30_000;
const STABLE_MS = 60_000;
const CLOSE_MS = 3000;
const EXIT_MS = 2000;
const KEPT_STDERR = 2000;

/** One line's side of the worker. */
export interface WorkerLine {
  /** Sent anew whenever a worker is ready for it. */
  readonly opening: Extract<ToWorker, { op: 'open' }>;
  receive(message: LineMessage): void;
  /** The worker has ended without being asked to; another is being started. */
  workerLost(why: string): void;
}

/**
 * The one child process of all OPC UA lines: started for the first line, ended with the last,
 * started anew with growing pauses when it dies.
 */
export class WorkerHost {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #lines = new Map<number, WorkerLine>();
  readonly #closing = new Map<number, () => void>();
  #child: ChildProcess | undefined;
  #isReady = false;
  #deaths = 0;
  #cancelRestart: () => void = () => undefined;

  constructor({ clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Process id of the worker, for tests and the curious. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get isEmpty(): boolean {
    return this.#lines.size === 0;
  }

  attach(line: WorkerLine): void {
    this.#lines.set(line.opening.line, line);
    if (this.#isReady) this.send(line.opening);
    else if (this.#child === undefined) this.#spawn();
  }

  /** Resolves when the line's session is closed; with the last line also the process has ended. */
  async detach(line: number): Promise<void> {
    if (!this.#lines.delete(line)) return;
    const child = this.#child;
    if (this.#lines.size === 0) this.#cancelRestart();
    if (child === undefined) return;
    if (this.#isReady) {
      const closed = new Promise<void>((resolve) => this.#closing.set(line, resolve));
      this.send({ op: 'close', line });
      await this.#atMost(CLOSE_MS, closed);
      this.#closing.delete(line);
    }
    if (this.#lines.size > 0 || this.#child !== child) return;
    await this.#end(child);
  }

  /** Lost when there is no worker: its loss has been told. */
  send(message: ToWorker): void {
    if (this.#isReady && this.#child?.connected) this.#child.send(message);
  }

  #spawn(): void {
    const child = fork(fileURLToPath(new URL('./worker.ts', import.meta.url)), [], {
      serialization: 'advanced',
      execArgv: [],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    const startedMs = this.#clock.monotonicMs();
    let stderr = '';
    this.#child = child;
    child.stderr?.on('data', (text: Buffer) => {
      stderr = (stderr + text.toString()).slice(-KEPT_STDERR);
    });
    child.on('message', (message: FromWorker) => this.#receive(child, message));
    child.on('error', (error) => {
      if (child.pid === undefined) this.#lost(child, startedMs, `it could not be started: ${error.message}`);
      else this.#logger.debug({ error: error.message }, 'the channel to the OPC UA worker failed');
    });
    child.once('exit', (code, signal) => this.#lost(child, startedMs, `${signal ?? code} ${stderr.trim()}`));
  }

  #lost(child: ChildProcess, startedMs: number, how: string): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    this.#isReady = false;
    for (const closed of this.#closing.values()) closed();
    if (this.#lines.size === 0) return;
    const why = 'the OPC UA worker ended unasked';
    this.#logger.warn({ how: how.trim() }, why);
    for (const line of this.#lines.values()) line.workerLost(why);
    if (this.#clock.monotonicMs() - startedMs >= STABLE_MS) this.#deaths = 0;
    const wait = Math.min(SLOWEST_RESTART_MS, FIRST_RESTART_MS * 2 ** Math.min(this.#deaths++, 10));
    this.#cancelRestart = this.#clock.after(wait, () => this.#spawn());
  }

  #receive(child: ChildProcess, message: FromWorker): void {
    if (child !== this.#child) return;
    if (message.op === 'ready') {
      this.#isReady = true;
      for (const { opening } of this.#lines.values()) this.send(opening);
    } else if (message.op === 'log') {
      this.#logger.debug({ worker: child.pid }, message.message);
    } else if (message.op === 'closed') {
      this.#closing.get(message.line)?.();
    } else {
      this.#lines.get(message.line)?.receive(message);
    }
  }

  async #end(child: ChildProcess): Promise<void> {
    const wasReady = this.#isReady;
    this.#child = undefined;
    this.#isReady = false;
    const exited = new Promise<void>((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) resolve();
      else child.once('exit', () => resolve());
    });
    if (child.connected) child.disconnect();
    if (!wasReady || !(await this.#atMost(EXIT_MS, exited))) {
      child.kill('SIGKILL');
      await exited;
    }
  }

  /** @returns whether it happened in time */
  async #atMost(limitMs: number, event: Promise<void>): Promise<boolean> {
    const waiting = new AbortController();
    const late = delay(this.#clock, limitMs, { signal: waiting.signal }).then(
      () => false,
      () => true,
    );
    const inTime = await Promise.race([event.then(() => true), late]);
    waiting.abort();
    return inTime;
  }
}
