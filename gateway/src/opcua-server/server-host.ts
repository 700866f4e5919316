import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import {
  type CatalogEntry,
  type Clock,
  type DeviceSlug,
  type DeviceSpec,
  delay,
  every,
  type Lifecycle,
  type Logger,
  type PointId,
  type PointNo,
  type Sample,
  SampleBatch,
} from '@millwright/protocol';
import type { DeviceStatusSource, LiveSource } from '../uplink/ports.ts';
import type { OpcuaServerConfig } from './config.ts';
import type {
  FromServer,
  ServerSettings,
  ServerUser,
  ShownDevice,
  ShownValue,
  ToServer,
} from './messages.ts';
import { statusNameOf } from './status-name.ts';

const SHOW_EVERY_MS = 100;
const MOST_AT_ONCE = 5000;
const FIRST_RESTART_MS = 1000;
const SLOWEST_RESTART_MS = 60_000;
const EXIT_MS = 3000;

export interface OpcuaServerHostDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly news: LiveSource;
  readonly points: { sample(no: PointNo): Sample | undefined };
  readonly catalog: { entry(no: PointNo): CatalogEntry | undefined };
  readonly devices: Pick<DeviceStatusSource, 'onChanged'> & {
    devices(): ReadonlyMap<
      DeviceSlug,
      { readonly spec: DeviceSpec; readonly numbers: ReadonlyMap<PointId, PointNo> }
    >;
  };
  readonly secret: (variable: string) => string | undefined;
}

export interface OpcuaServerHostConfig extends OpcuaServerConfig {
  readonly name: string;
  readonly version: string;
  readonly pkiDir: string;
  /** Lets in whoever is on this machine. */
  readonly isOpen: boolean;
}

/**
 * Shows the gateway's points to OPC UA clients, to be read. The server is a process of its own, started anew with
 * growing pauses when it ends; nothing of the gateway waits for it.
 */
export class OpcuaServerHost implements Lifecycle {
  readonly #deps: OpcuaServerHostDeps;
  readonly #config: OpcuaServerHostConfig;
  readonly #batch = new SampleBatch(MOST_AT_ONCE);
  #child: ChildProcess | undefined;
  #isRunning = false;
  #isListening = false;
  #failures = 0;
  #url: string | undefined;
  /** What the server was told to show. */
  #shown: string | undefined;
  #cancel: (() => void)[] = [];
  #cancelRestart: () => void = () => undefined;

  constructor(deps: OpcuaServerHostDeps, config: OpcuaServerHostConfig) {
    this.#deps = deps;
    this.#config = config;
  }

  /** Where clients find it, while it listens. */
  get url(): string | undefined {
    return this.#url;
  }

  /** Process id of the server while there is one. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Resolves before the server listens: that takes a while, and devices do not wait for it. */
  async start(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    const { clock, devices } = this.#deps;
    this.#cancel = [
      every(clock, SHOW_EVERY_MS, () => this.#showNews()),
      devices.onChanged(() => this.#tellDevices()),
    ];
    this.#spawn();
  }

  async stop(): Promise<void> {
    this.#isRunning = false;
    this.#cancelRestart();
    for (const cancel of this.#cancel.splice(0)) cancel();
    const child = this.#child;
    this.#child = undefined;
    this.#isListening = false;
    this.#url = undefined;
    if (child === undefined) return;
    const exited = new Promise<void>((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) resolve();
      else child.once('exit', () => resolve());
    });
    if (child.connected) child.disconnect();
    const patience = new AbortController();
    const late = delay(this.#deps.clock, EXIT_MS, { signal: patience.signal }).catch(() => undefined);
    await Promise.race([exited, late]);
    patience.abort();
    child.kill('SIGKILL');
    await exited;
  }

  #spawn(): void {
    const child = fork(fileURLToPath(new URL('./server-worker.ts', import.meta.url)), [], {
      serialization: 'advanced',
      execArgv: [],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    this.#child = child;
    child.on('message', (message: FromServer) => {
      if (child === this.#child) this.#receive(message);
    });
    child.on('error', (error) => this.#lost(child, error.message));
    child.once('exit', (code, signal) => this.#lost(child, `it ended with ${signal ?? code}`));
  }

  #lost(child: ChildProcess, why: string): void {
    if (child !== this.#child || !this.#isRunning) return;
    this.#child = undefined;
    this.#isListening = false;
    this.#url = undefined;
    const waitMs = Math.min(SLOWEST_RESTART_MS, FIRST_RESTART_MS * 2 ** Math.min(this.#failures++, 6));
    if (this.#failures === 1) this.#deps.logger.warn({ why }, `the OPC UA server does not run: ${why}`);
    this.#cancelRestart = this.#deps.clock.after(waitMs, () => this.#spawn());
  }

  #receive(message: FromServer): void {
    const { logger } = this.#deps;
    switch (message.op) {
      case 'ready':
        this.#send({ op: 'begin', settings: this.#settings() });
        return;
      case 'listening':
        this.#isListening = true;
        this.#failures = 0;
        this.#url = `opc.tcp://${this.#config.host}:${message.port}`;
        logger.info(
          { url: this.#url, certificate: message.thumbprint },
          'OPC UA clients can read the points of this gateway',
        );
        this.#shown = undefined;
        this.#tellDevices();
        return;
      case 'failed': {
        const child = this.#child;
        if (child === undefined) return;
        this.#lost(child, message.message);
        child.kill('SIGKILL');
        return;
      }
      case 'log':
        logger.debug({ message: message.message }, 'OPC UA server');
    }
  }

  #settings(): ServerSettings {
    const { host, port, name, version, pkiDir, isOpen, users } = this.#config;
    const known = users.flatMap(({ name: user, passwordEnv }): ServerUser[] => {
      const password = this.#deps.secret(passwordEnv);
      if (password !== undefined && password !== '') return [{ name: user, password }];
      this.#deps.logger.warn(
        { user, variable: passwordEnv },
        `the OPC UA user "${user}" cannot sign in: the variable that holds the password is not set`,
      );
      return [];
    });
    return { host, port, name, version, pkiDir, isOpen, users: known };
  }

  #tellDevices(): void {
    if (!this.#isListening) return;
    const devices = [...this.#deps.devices.devices().values()].map(({ spec, numbers }): ShownDevice => {
      const points = [...numbers].flatMap(([id, no]) => {
        const entry = this.#deps.catalog.entry(no);
        if (entry === undefined) return [];
        const unit = entry.unit === undefined ? '' : ` [${entry.unit}]`;
        return [{ no, id, kind: entry.kind, description: `${entry.label ?? id}${unit}` }];
      });
      return { id: spec.id, name: spec.name ?? spec.id, points };
    });
    const words = JSON.stringify(devices);
    if (words === this.#shown) return;
    this.#shown = words;
    this.#send({ op: 'devices', devices });
    this.#deps.news.markAllDirty();
  }

  #showNews(): void {
    if (!this.#isListening) return;
    const { news, points } = this.#deps;
    this.#batch.clear();
    if (!news.drainInto(this.#batch)) return;
    const values: ShownValue[] = [];
    for (let row = 0; row < this.#batch.length; row++) {
      const no = this.#batch.point[row] as PointNo;
      const sample = points.sample(no);
      if (sample !== undefined) values.push([no, sample.v, statusNameOf(sample), sample.tSource]);
    }
    this.#send({ op: 'values', values });
  }

  #send(message: ToServer): void {
    if (this.#child?.connected) this.#child.send(message);
  }
}
