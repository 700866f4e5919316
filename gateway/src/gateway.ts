import { join } from 'node:path';
import { DRIVER_MODULES } from '@millwright/device-drivers';
import {
  type Clock,
  type DeviceSpec,
  describeError,
  type Lifecycle,
  type Logger,
  startAll,
  stopAll,
} from '@millwright/protocol';
import type { RuleSpec } from '@millwright/protocol/automation';
import { readSiteRules } from './automations/read-site-rules.ts';
import { Ballast } from './ballast.ts';
import type { MqttBroker } from './broker/broker.ts';
import type { LocalBrokerLink } from './broker/local-link.ts';
import { type GatewayConfig, readGatewayConfig } from './config.ts';
import { AdoptedDevices } from './devices/adopted-devices.ts';
import type { DriverModules } from './devices/line-factory.ts';
import { DenoKvFile } from './journal/kv/deno-kv.ts';
import type { Kv } from './journal/kv/kv.ts';
import { openStore } from './journal/kv/open-store.ts';
import { Lanes } from './lanes.ts';
import { readSite } from './site.ts';
import { stateFiles } from './state-files.ts';
import { lockState, type StateLock } from './state-lock.ts';
import { Windows } from './windows.ts';

export interface GatewayDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** @default the drivers of @millwright/device-drivers */
  readonly modules?: DriverModules;
}

export interface GatewayOptions {
  readonly config: GatewayConfig;
  /** Checked devices of the site file. */
  readonly site: readonly DeviceSpec[];
  /** Checked rules; default none. */
  readonly rules?: readonly RuleSpec[];
  readonly stateDir: string;
  /** Opens the broker to this machine without passwords. */
  readonly dev: boolean;
  readonly version: string;
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
}

/** Where the gateway can be reached, once started. */
export interface GatewayAddresses {
  readonly http: string;
  /** `host:port`. */
  readonly mqtt: string;
}

/**
 * The edge process. Devices are read and stored before anything that looks outwards is loaded; a region that is
 * absent, unreachable or wrong changes nothing of that.
 */
export class Gateway implements Lifecycle {
  readonly #deps: GatewayDeps;
  readonly #options: GatewayOptions;
  readonly #files: ReturnType<typeof stateFiles>;
  readonly #ballast: Ballast;
  readonly #startedAtMs: number;
  readonly #adopted: AdoptedDevices;
  /** As the site file says. */
  #site: readonly DeviceSpec[];
  #lock: StateLock | undefined;
  #stateStore: Kv | undefined;
  #catalogCopy: Kv | undefined;
  #lanes: Lanes | undefined;
  #broker: { readonly broker: MqttBroker; readonly link: LocalBrokerLink } | undefined;
  #windows: Windows | undefined;
  #addresses: GatewayAddresses | undefined;
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  #reloading: Promise<void> = Promise.resolve();

  constructor(deps: GatewayDeps, options: GatewayOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#files = stateFiles(options.stateDir);
    this.#ballast = new Ballast({ path: this.#files.ballast, logger: this.#log() });
    this.#startedAtMs = deps.clock.wallMs();
    this.#adopted = new AdoptedDevices({ ...deps, logger: this.#log() }, { path: this.#files.adopted });
    this.#site = options.site;
  }

  /** Where it can be reached; undefined before `start` has resolved. */
  get addresses(): GatewayAddresses | undefined {
    return this.#addresses;
  }

  /**
   * Resolves when devices are being read and the local API listens; the uplink connects in its own time.
   * @throws UnavailableError `STATE_LOCKED`, `PORT_IN_USE` and the like; then everything is stopped again
   */
  start(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    this.#starting ??= this.#begin(options).catch(async (error: unknown) => {
      await this.#end().catch((more) => this.#log().error({ err: more }, 'not stopped cleanly'));
      throw error;
    });
    return this.#starting;
  }

  /** @throws AggregateError of what did not stop cleanly */
  async stop(): Promise<void> {
    if (this.#starting === undefined) return;
    const hasStarted = await this.#starting.then(
      () => true,
      () => false,
    );
    if (!hasStarted) return;
    this.#stopping ??= this.#end();
    await this.#stopping;
  }

  /** Reads device and rule files again. What is wrong with them is logged and recorded, and the running devices stay. */
  reload(): Promise<void> {
    this.#reloading = this.#reloading.then(() => this.#reload());
    return this.#reloading;
  }

  async #begin(options: { readonly signal?: AbortSignal }): Promise<void> {
    const { version } = this.#options;
    const lanes = await this.#ballast.lift(() => this.#openLanes(options));
    this.#lanes = lanes;
    void lanes.events.note('gateway.started', `gateway ${version} started`, { data: { version } });
    await this.#adopted.load();
    const site = this.#adopted.withAdopted(this.#site);
    // Devices behind the gateway's own broker need it first; all others need not wait for it to load.
    if (site.some(isLocalMqtt)) await this.#openBroker();
    await lanes.apply(site);
    options.signal?.throwIfAborted();
    const mqtt = await this.#openBroker();
    await lanes.applyRules(this.#options.rules ?? []);
    const http = await this.#openWindows(lanes, options);
    this.#addresses = { http, mqtt };
    await this.#ballast.load();
    lanes.journal.onFault((fault) => {
      if (fault === undefined) void this.#ballast.load();
    });
  }

  async #openLanes(options: { readonly signal?: AbortSignal }): Promise<Lanes> {
    const { clock, logger, modules = DRIVER_MODULES } = this.#deps;
    const { config, variables, stateDir, pid } = this.#options;
    const { state, catalogCopy: copy, journal, drivers } = this.#files;
    this.#lock ??= await lockState(stateDir, pid);
    this.#stateStore ??= await openStore(new DenoKvFile(state), this.#log());
    this.#catalogCopy ??= await openStore(new DenoKvFile(copy), this.#log());
    const lanes = new Lanes(
      {
        ...{ clock, logger, modules, stateStore: this.#stateStore, catalogCopy: this.#catalogCopy },
        journalFile: new DenoKvFile(journal),
        localBroker: () => this.#broker?.link,
        secret: (name) => variables[name],
        driverDir: drivers,
      },
      config,
    );
    try {
      await lanes.start(options);
    } catch (error) {
      await lanes.stop();
      throw error;
    }
    return lanes;
  }

  /** @returns `host:port` */
  async #openBroker(): Promise<string> {
    if (this.#broker === undefined) {
      const { clock, logger } = this.#deps;
      const { config, dev, stateDir } = this.#options;
      const [{ MqttBroker }, { BrokerCredentials, CREDENTIALS_FILE }, { LocalBrokerLink }] =
        await Promise.all([
          import('./broker/broker.ts'),
          import('./broker/credentials.ts'),
          import('./broker/local-link.ts'),
        ]);
      const { credentials: path = join(stateDir, CREDENTIALS_FILE), ...limits } = config.broker;
      const credentials = new BrokerCredentials({ clock }, { path });
      const log = logger.child({ name: 'gateway:broker' });
      const broker = new MqttBroker(
        { clock, logger: log, credentials, file: new DenoKvFile(this.#files.broker) },
        { ...limits, dev, stateDir, version: this.#options.version },
      );
      const link = new LocalBrokerLink({ broker });
      await startAll([broker, link]);
      this.#broker = { broker, link };
    }
    return this.#broker.broker.address ?? '';
  }

  /** @returns the local API's address */
  async #openWindows(lanes: Lanes, options: { readonly signal?: AbortSignal }): Promise<string> {
    const apply = async () => {
      const { started } = await lanes.apply(this.#adopted.withAdopted(this.#site));
      this.#windows?.refresh();
      await lanes.events.note('config.changed', `a device was adopted: ${started} lines started`);
    };
    const windows = new Windows(
      {
        ...{ clock: this.#deps.clock, logger: this.#deps.logger, lanes, broker: this.#broker },
        ...{
          kv: this.#stateStore,
          files: this.#files,
          startedAtMs: this.#startedAtMs,
          adopted: this.#adopted,
        },
        isConfigured: (id) => this.#site.some((spec) => spec.id === id),
        // One change of the devices at a time, whoever makes it.
        applyAdopted: () => {
          const applied = this.#reloading.then(apply);
          this.#reloading = applied.catch(() => undefined);
          return applied;
        },
        isHealthy: () => this.#stopping === undefined,
      },
      this.#options,
    );
    await windows.start(options);
    this.#windows = windows;
    return windows.http;
  }

  async #reload(): Promise<void> {
    const logger = this.#log();
    const { config, variables } = this.#options;
    const lanes = this.#lanes;
    if (lanes === undefined || this.#stopping !== undefined) return;
    try {
      const fresh = await readGatewayConfig(config.file, variables);
      const site = await readSite(fresh, variables);
      const rules = await readSiteRules({ ...fresh, location: config.location }, site, variables);
      const counts = await lanes.apply(this.#adopted.withAdopted(site));
      this.#site = site;
      await lanes.applyRules(rules);
      this.#windows?.refresh();
      if (needsRestart(config, fresh)) {
        logger.warn('devices are reloaded; what else has changed takes a restart of the gateway');
      }
      const message = `devices were reloaded: ${counts.started} lines started, ${counts.stopped} stopped`;
      logger.info(counts, message);
      await lanes.events.note('config.changed', message);
    } catch (error) {
      const why = describeError(error);
      logger.error({ error: why }, 'the new configuration is refused; the devices run on as they were');
      await lanes.events.note('config.refused', `the new configuration is refused: ${why}`);
    }
  }

  #log(): Logger {
    return this.#deps.logger.child({ name: 'gateway' });
  }

  async #end(): Promise<void> {
    const lanes = this.#lanes;
    const broker = this.#broker;
    await this.#reloading;
    if (lanes !== undefined) void lanes.events.note('gateway.stopped', 'the gateway was stopped');
    const stores: Lifecycle = {
      start: async () => undefined,
      stop: async () => {
        await this.#stateStore?.close();
        await this.#catalogCopy?.close();
        await this.#lock?.release();
      },
    };
    await stopAll([
      stores,
      // Their driver goes before the broker: devices that are no longer listened to are not offline.
      ...(broker === undefined ? [] : [broker.broker, broker.link]),
      ...(lanes === undefined ? [] : [lanes]),
      ...(this.#windows === undefined ? [] : [this.#windows]),
    ]);
  }
}

function isLocalMqtt(spec: DeviceSpec): boolean {
  return spec.driver === 'mqtt' && spec.connect.broker === 'local';
}

/** Everything but the device and rule files is read once. */
function needsRestart(before: GatewayConfig, after: GatewayConfig): boolean {
  const rest = ({ devices: _devices, types: _types, rules: _rules, ...other }: GatewayConfig) =>
    JSON.stringify(other);
  return rest(before) !== rest(after);
}
