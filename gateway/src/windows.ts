import { dirname } from 'node:path';
import {
  type Clock,
  gatewayIdOf,
  type Lifecycle,
  type Logger,
  startAll,
  stopAll,
} from '@millwright/protocol';
import type { HostIdentity } from '@millwright/protocol/node';
import { Adoption } from './adopt/adoption.ts';
import { alarmCommands } from './alarms/alarm-commands.ts';
import type { ApiSources } from './api/sources.ts';
import type { Bridges } from './broker/bridge/bridges.ts';
import type { MqttBroker } from './broker/broker.ts';
import type { LocalBrokerLink } from './broker/local-link.ts';
import type { AdoptedDevices } from './devices/adopted-devices.ts';
import type { GatewayOptions } from './gateway.ts';
import { DenoKvFile } from './journal/kv/deno-kv.ts';
import type { Kv } from './journal/kv/kv.ts';
import type { Lanes } from './lanes.ts';
import { OpcuaTrust } from './opcua-server/opcua-trust.ts';
import type { Publisher } from './publish/publisher.ts';
import { ServiceEnvironment, ServiceNotifier } from './service/service-notifier.ts';
import type { stateFiles } from './state-files.ts';
import { hardware } from './uplink/hardware.ts';
import type { GatewayFacts } from './uplink/ports.ts';
import type { Uplink } from './uplink/uplink.ts';

export interface WindowsDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly lanes: Lanes;
  readonly broker: { readonly broker: MqttBroker; readonly link: LocalBrokerLink } | undefined;
  readonly kv: Kv | undefined;
  readonly files: ReturnType<typeof stateFiles>;
  readonly startedAtMs: number;
  readonly adopted: AdoptedDevices;
  /** Whether the site file has a device of this name. */
  readonly isConfigured: (id: string) => boolean;
  /** Reads what has just been adopted. */
  readonly applyAdopted: () => Promise<void>;
  readonly isHealthy: () => boolean;
}

/**
 * What looks outwards, each loaded only when it is configured: uplink, adoption, publishing, Sparkplug, OPC UA server,
 * bridges, local API, service manager. None of it is needed for devices to be read and stored.
 */
export class Windows implements Lifecycle {
  readonly #deps: WindowsDeps;
  readonly #options: GatewayOptions;
  #open: readonly Lifecycle[] = [];
  #publisher: Publisher | undefined;
  #bridges: Bridges | undefined;
  #http = '';

  constructor(deps: WindowsDeps, options: GatewayOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** The local API's address, once started. */
  get http(): string {
    return this.#http;
  }

  async start(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const { clock, lanes } = this.#deps;
    const { config, variables, pid } = this.#options;
    const [{ loadOrCreateIdentity }, { LocalApi }] = await Promise.all([
      import('@millwright/protocol/node/identity'),
      import('./api/local-api.ts'),
    ]);
    const identity = await loadOrCreateIdentity(this.#options.stateDir);
    const facts = this.#facts(identity);
    const uplink = await this.#uplink(identity, facts);
    const adoption = this.#adoption();
    const others = [
      ...(await this.#publishing()),
      ...(await this.#sparkplug(adoption)),
      ...(await this.#opcuaServer()),
      ...(await this.#bridging()),
    ];
    const api = new LocalApi(
      { clock, logger: this.#log('api'), sources: this.#sources(facts, adoption, uplink?.uplink) },
      { ...config.http, tokenPath: this.#deps.files.apiToken },
    );
    const notifier = new ServiceNotifier(
      { clock, logger: this.#log('service'), isHealthy: this.#deps.isHealthy },
      { environment: ServiceEnvironment.parse(variables), pid },
    );
    const open = [
      ...(uplink === undefined ? [] : [uplink.host, uplink.uplink]),
      ...(adoption === undefined ? [] : [adoption]),
      ...others,
      ...[api, notifier],
    ];
    await startAll(open, options);
    this.#open = open;
    this.#http = api.url ?? '';
    await notifier.ready(`${lanes.devices.statuses().length} devices`);
  }

  async stop(): Promise<void> {
    await stopAll(this.#open);
  }

  /** To be called when the devices have changed. */
  refresh(): void {
    this.#publisher?.refresh();
  }

  #facts(identity: HostIdentity): GatewayFacts {
    const { config, version } = this.#options;
    return {
      gateway: gatewayIdOf(identity.publicKey),
      name: config.name,
      site: config.site,
      version,
      startedAtMs: this.#deps.startedAtMs,
    };
  }

  #sources(facts: GatewayFacts, adoption: Adoption | undefined, uplink: Uplink | undefined): ApiSources {
    const { lanes, broker } = this.#deps;
    return {
      ...{ facts, journal: lanes.journal, devices: lanes.devices, points: lanes.points },
      ...{ alarms: lanes.alarms, commands: lanes.commands, events: lanes.recentEvents },
      rules: { views: () => lanes.automations?.views() ?? [], counts: () => lanes.automations?.counts },
      opcuaTrust: new OpcuaTrust({ stateDir: this.#options.stateDir }),
      ...(adoption === undefined ? {} : { pending: adoption.pending }),
      ...(broker === undefined ? {} : { broker: broker.broker }),
      bridges: { stats: () => this.#bridges?.stats() ?? [] },
      ...(uplink === undefined ? {} : { uplink }),
    };
  }

  #adoption(): Adoption | undefined {
    const { clock, broker, adopted, isConfigured, applyAdopted: apply } = this.#deps;
    if (broker === undefined) return undefined;
    return new Adoption(
      { clock, logger: this.#log('adopt'), ...broker, adopted, isConfigured, apply },
      this.#options.config.adopt,
    );
  }

  async #opcuaServer(): Promise<readonly Lifecycle[]> {
    if (this.#options.config.opcuaServer === undefined) return [];
    const { openOpcuaServer } = await import('./opcua-server/open-server.ts');
    const { clock, logger, lanes } = this.#deps;
    return openOpcuaServer({ clock, logger, lanes }, this.#options);
  }

  async #publishing(): Promise<readonly Lifecycle[]> {
    const { clock, lanes, broker } = this.#deps;
    const { publish, site, name } = this.#options.config;
    const { json } = publish;
    if (json === false || lanes.news === undefined || broker === undefined) return [];
    const { openPublisher } = await import('./publish/open-publisher.ts');
    const { publisher, parts } = await openPublisher(
      {
        ...{ clock, logger: this.#log('publish'), news: lanes.news },
        ...{ points: lanes.points, devices: lanes.devices, secret: this.#secret },
        commands: (command) => lanes.commands.handle(command),
        names: { site, gateway: name, version: this.#options.version },
        local: { link: broker.link, hasClients: () => broker.broker.stats().clients > 0 },
      },
      { ...publish, json },
    );
    this.#publisher = publisher;
    return parts;
  }

  async #bridging(): Promise<readonly Lifecycle[]> {
    const { clock, broker, files } = this.#deps;
    const { config } = this.#options;
    if (config.bridges.length === 0 || broker === undefined) return [];
    const { Bridges } = await import('./broker/bridge/bridges.ts');
    const bridges = new Bridges(
      {
        ...{ clock, logger: this.#log('bridge'), broker: broker.broker, secret: this.#secret },
        file: new DenoKvFile(files.bridges),
      },
      { bridges: config.bridges, gateway: config.name, folder: dirname(config.file) },
    );
    this.#bridges = bridges;
    return [bridges];
  }

  async #sparkplug(adoption: Adoption | undefined): Promise<readonly Lifecycle[]> {
    const { clock, lanes, kv, broker } = this.#deps;
    const { config, version } = this.#options;
    const { openSparkplug } = await import('./sparkplug/open-sparkplug.ts');
    const own = {
      clock,
      logger: this.#log('sparkplug'),
      lanes,
      kv,
      link: broker?.link,
      secret: this.#secret,
    };
    return openSparkplug({ ...own, pending: adoption?.pending }, config, version);
  }

  async #uplink(
    identity: HostIdentity,
    facts: GatewayFacts,
  ): Promise<{ readonly host: Lifecycle; readonly uplink: Uplink } | undefined> {
    const { clock, lanes } = this.#deps;
    const { config, stateDir } = this.#options;
    const { region } = config;
    if (region === undefined) return undefined;
    const logger = this.#log('uplink');
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
      { stateDir, addresses: [region.address] },
    );
    return { host, uplink };
  }

  readonly #secret = (name: string): string | undefined => this.#options.variables[name];

  #log(part: string): Logger {
    return this.#deps.logger.child({ name: `gateway:${part}` });
  }
}
