import { dirname, join } from 'node:path';
import { DRIVER_MODULES } from '@millwright/device-drivers';
import {
  type Clock,
  type DeviceSpec,
  describeError,
  gatewayIdOf,
  type Lifecycle,
  type Logger,
  startAll,
  stopAll,
} from '@millwright/protocol';
import type { RuleSpec } from '@millwright/protocol/automation';
import type { Host, HostIdentity } from '@millwright/protocol/node';
import { Adoption } from './adopt/adoption.ts';
import { alarmCommands } from './alarms/alarm-commands.ts';
import type { ApiSources } from './api/sources.ts';
import { readSiteRules } from './automations/read-site-rules.ts';
import { Ballast } from './ballast.ts';
import type { Bridges } from './broker/bridge/bridges.ts';
import type { MqttBroker } from './broker/broker.ts';
import type { LocalBrokerLink } from './broker/local-link.ts';
import { type GatewayConfig, readGatewayConfig } from './config.ts';
import { AdoptedDevices } from './devices/adopted-devices.ts';
import type { DriverModules } from './devices/line-factory.ts';
import { DenoKvFile } from './journal/kv/deno-kv.ts';
import type { Kv } from './journal/kv/kv.ts';
import { openStore } from './journal/kv/open-store.ts';
import { Lanes } from './lanes.ts';
import { OpcuaTrust } from './opcua-server/opcua-trust.ts';
import type { Publisher } from './publish/publisher.ts';
import { ServiceEnvironment, ServiceNotifier } from './service/service-notifier.ts';
import { readSite } from './site.ts';
import { stateFiles } from './state-files.ts';
import { lockState, type StateLock } from './state-lock.ts';
import { hardware } from './uplink/hardware.ts';
import type { GatewayFacts } from './uplink/ports.ts';
import type { Uplink } from './uplink/uplink.ts';

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
  /** What looks outwards, in the order it was started. */
  #windows: readonly Lifecycle[] = [];
  #publisher: Publisher | undefined;
  #bridgeStats: () => ReturnType<Bridges['stats']> = () => [];
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
    const { clock, logger } = this.#deps;
    const { config, stateDir, variables, pid, version } = this.#options;
    const [{ loadOrCreateIdentity }, { LocalApi }] = await Promise.all([
      import('@millwright/protocol/node/identity'),
      import('./api/local-api.ts'),
    ]);
    const identity = await loadOrCreateIdentity(stateDir);
    const facts: GatewayFacts = {
      gateway: gatewayIdOf(identity.publicKey),
      name: config.name,
      site: config.site,
      version,
      startedAtMs: this.#startedAtMs,
    };
    const uplink = config.region && (await this.#uplink(lanes, identity, facts, config.region));
    const adoption = this.#adoption(lanes);
    const sources: ApiSources = {
      ...{ facts, journal: lanes.journal, devices: lanes.devices, points: lanes.points },
      ...{ alarms: lanes.alarms, commands: lanes.commands, events: lanes.recentEvents },
      rules: { views: () => lanes.automations?.views() ?? [], counts: () => lanes.automations?.counts },
      opcuaTrust: new OpcuaTrust({ stateDir }),
      ...(adoption === undefined ? {} : { pending: adoption.pending }),
      ...(this.#broker === undefined ? {} : { broker: this.#broker.broker }),
      bridges: { stats: () => this.#bridgeStats() },
      ...(uplink === undefined ? {} : { uplink: uplink.uplink }),
    };
    const api = new LocalApi(
      { clock, logger: logger.child({ name: 'gateway:api' }), sources },
      { ...config.http, tokenPath: this.#files.apiToken },
    );
    const notifier = new ServiceNotifier(
      {
        clock,
        logger: logger.child({ name: 'gateway:service' }),
        isHealthy: () => this.#stopping === undefined,
      },
      { environment: ServiceEnvironment.parse(variables), pid },
    );
    const windows = [
      ...(uplink === undefined ? [] : [uplink.host, uplink.uplink]),
      ...(adoption === undefined ? [] : [adoption]),
      ...(await this.#publishing(lanes)),
      ...(await this.#sparkplug(lanes, adoption)),
      ...(await this.#opcuaServer(lanes)),
      ...(await this.#bridges()),
      ...[api, notifier],
    ];
    await startAll(windows, options);
    this.#windows = windows;
    await notifier.ready(`${lanes.devices.statuses().length} devices`);
    return api.url ?? '';
  }

  #adoption(lanes: Lanes): Adoption | undefined {
    const { clock, logger } = this.#deps;
    if (this.#broker === undefined) return undefined;
    const { link, broker } = this.#broker;
    const apply = async () => {
      const { started } = await lanes.apply(this.#adopted.withAdopted(this.#site));
      this.#publisher?.refresh();
      await lanes.events.note('config.changed', `a device was adopted: ${started} lines started`);
    };
    return new Adoption(
      {
        ...{ clock, logger: logger.child({ name: 'gateway:adopt' }), link, broker },
        adopted: this.#adopted,
        isConfigured: (id) => this.#site.some((spec) => spec.id === id),
        apply: () => {
          const applied = this.#reloading.then(apply);
          this.#reloading = applied.catch(() => undefined);
          return applied;
        },
      },
      this.#options.config.adopt,
    );
  }

  async #opcuaServer(lanes: Lanes): Promise<readonly Lifecycle[]> {
    if (this.#options.config.opcuaServer === undefined) return [];
    const { openOpcuaServer } = await import('./opcua-server/open-server.ts');
    return openOpcuaServer({ ...this.#deps, lanes }, this.#options);
  }

  async #publishing(lanes: Lanes): Promise<readonly Lifecycle[]> {
    const { clock, logger } = this.#deps;
    const { publish, site, name } = this.#options.config;
    const { json } = publish;
    const broker = this.#broker;
    if (json === false || lanes.news === undefined || broker === undefined) return [];
    const { openPublisher } = await import('./publish/open-publisher.ts');
    const { publisher, parts } = await openPublisher(
      {
        ...{ clock, logger: logger.child({ name: 'gateway:publish' }), news: lanes.news },
        ...{ points: lanes.points, devices: lanes.devices },
        commands: (command) => lanes.commands.handle(command),
        names: { site, gateway: name, version: this.#options.version },
        local: { link: broker.link, hasClients: () => broker.broker.stats().clients > 0 },
        secret: (variable) => this.#options.variables[variable],
      },
      { ...publish, json },
    );
    this.#publisher = publisher;
    return parts;
  }

  async #bridges(): Promise<readonly Lifecycle[]> {
    const { clock, logger } = this.#deps;
    const { config, variables } = this.#options;
    if (config.bridges.length === 0 || this.#broker === undefined) return [];
    const { Bridges } = await import('./broker/bridge/bridges.ts');
    const bridges = new Bridges(
      {
        ...{ clock, logger: logger.child({ name: 'gateway:bridge' }), broker: this.#broker.broker },
        file: new DenoKvFile(this.#files.bridges),
        secret: (name) => variables[name],
      },
      { bridges: config.bridges, gateway: config.name, folder: dirname(config.file) },
    );
    this.#bridgeStats = () => bridges.stats();
    return [bridges];
  }

  async #sparkplug(lanes: Lanes, adoption: Adoption | undefined): Promise<readonly Lifecycle[]> {
    const { config, variables, version } = this.#options;
    const logger = this.#deps.logger.child({ name: 'gateway:sparkplug' });
    const link = this.#broker?.link;
    const { openSparkplug } = await import('./sparkplug/open-sparkplug.ts');
    const secret = (name: string) => variables[name];
    const own = { clock: this.#deps.clock, logger, lanes, kv: this.#stateStore, link, secret };
    return openSparkplug({ ...own, pending: adoption?.pending }, config, version);
  }

  async #uplink(
    lanes: Lanes,
    identity: HostIdentity,
    facts: GatewayFacts,
    region: NonNullable<GatewayConfig['region']>,
  ): Promise<{ readonly host: Host; readonly uplink: Uplink }> {
    const { clock } = this.#deps;
    const logger = this.#deps.logger.child({ name: 'gateway:uplink' });
    const [{ createHost }, { Uplink }, { tokenFile }] = await Promise.all([
      import('@millwright/protocol/node'),
      import('./uplink/uplink.ts'),
      import('./uplink/enrolment.ts'),
    ]);
    const host = createHost({ identity, listen: [], clock, logger });
    const uplink = new Uplink(
      {
        ...{ host, facts, clock, logger, hardware: hardware() },
        ...{ journal: lanes.journal, catalog: lanes.catalog, devices: lanes.devices, live: lanes.live },
        commands: (command) => lanes.commands.handle(command),
        alarms: alarmCommands({ clock, register: lanes.alarms }),
        readToken: tokenFile(region.tokenFile),
      },
      { stateDir: this.#options.stateDir, addresses: [region.address] },
    );
    return { host, uplink };
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
      this.#publisher?.refresh();
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
      ...this.#windows,
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
