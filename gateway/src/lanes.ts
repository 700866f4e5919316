import type { MqttLink } from '@millwright/device-drivers';
import {
  type Clock,
  type DeviceSpec,
  GOOD,
  type Lifecycle,
  type Location,
  type Logger,
  type SampleSink,
  startAll,
  stopAll,
} from '@millwright/protocol';
import type { RuleSpec } from '@millwright/protocol/automation';
import { AlarmRegister } from './alarms/alarm-register.ts';
import { AlarmRules } from './alarms/alarm-rules.ts';
import { watchedPointsOf } from './alarms/watched-points.ts';
import { RecentEvents } from './api/recent-events.ts';
import type { RuleLane } from './automations/rule-lane.ts';
import { ClockWatch } from './clock-watch.ts';
import { CommandPath } from './commands/command-path.ts';
import { commandPortsOf } from './commands/gateway-ports.ts';
import { Interlocks } from './commands/interlocks.ts';
import { hasExpressions } from './conditions/condition.ts';
import type { GatewayConfig } from './config.ts';
import { DetectorLane } from './detectors/detector-lane.ts';
import { DeviceAlarms } from './devices/device-alarms.ts';
import { DeviceSupervisor } from './devices/device-supervisor.ts';
import { driverAlarm } from './devices/driver-alarm.ts';
import type { DriverModules } from './devices/line-factory.ts';
import { GatewayEvents } from './gateway-events.ts';
import type { Kv, KvFile } from './journal/kv/kv.ts';
import { KvJournal } from './journal/kv-journal.ts';
import { Catalog } from './points/catalog.ts';
import { ComputedPoints } from './points/computed-points.ts';
import { LiveLane } from './points/live-lane.ts';
import { type NamedSink, PointsTable } from './points/points-table.ts';

const WRITE_TIMEOUT_MS = 10_000;

export interface LanesDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly modules: DriverModules;
  readonly journalFile: KvFile;
  /** Commands, alarms and the point catalogue; the other store holds a second copy of the catalogue. */
  readonly stateStore: Kv;
  readonly catalogCopy: Kv;
  readonly localBroker: () => MqttLink | undefined;
  readonly secret: (name: string) => string | undefined;
  /** Where drivers keep their files. */
  readonly driverDir: string;
}

/**
 * The way of a sample, from the drivers to journal, live lane, alarms and detectors, and the way of a command back.
 * Everything here works with no region, no broker and nobody looking.
 */
export class Lanes implements Lifecycle {
  readonly journal: KvJournal;
  readonly catalog: Catalog;
  readonly points: PointsTable;
  readonly live = new LiveLane();
  /** The same for MQTT, where values are published. */
  readonly news: LiveLane | undefined;
  /** News for Sparkplug hosts, where the gateway is an edge node. */
  readonly sparkplugNews: LiveLane | undefined;
  /** News for clients of the gateway's OPC UA server. */
  readonly opcuaNews: LiveLane | undefined;
  readonly devices: DeviceSupervisor;
  readonly alarms: AlarmRegister;
  readonly commands: CommandPath;
  readonly recentEvents: RecentEvents;
  readonly events: GatewayEvents;
  readonly #deps: LanesDeps;
  readonly #rules: AlarmRules;
  readonly #interlocks = new Interlocks();
  readonly #computed: ComputedPoints;
  readonly #detectors: DetectorLane | undefined;
  readonly #parts: readonly Lifecycle[];
  readonly #location: Location;
  #automations: RuleLane | undefined;
  #hasStored = false;

  constructor(
    deps: LanesDeps,
    config: Pick<
      GatewayConfig,
      'journal' | 'detectors' | 'publish' | 'sparkplug' | 'opcuaServer' | 'location'
    >,
  ) {
    this.#location = config.location;
    const { clock, logger, stateStore: kv } = deps;
    const log = (name: string) => logger.child({ name: `gateway:${name}` });
    this.#deps = deps;
    this.journal = new KvJournal({ clock, logger: log('journal'), file: deps.journalFile }, config.journal);
    this.recentEvents = new RecentEvents({ clock, logger: log('events'), journal: this.journal, kv });
    const journal = this.recentEvents;
    this.events = new GatewayEvents({ clock, logger: log('events'), journal });
    this.catalog = new Catalog({ logger: log('catalog'), stores: [kv, deps.catalogCopy] });
    const note: GatewayEvents['note'] = (...event) => this.events.note(...event);
    this.alarms = new AlarmRegister({ clock, logger: log('alarms'), journal, kv, note });
    this.#rules = new AlarmRules({ clock, register: this.alarms });

    const all: NamedSink[] = [{ name: 'alarms', accept: this.#rules.accept }];
    const reported: NamedSink[] = [
      { name: 'journal', accept: (batch) => this.journal.append(batch) },
      { name: 'live lane', accept: this.live.accept },
      { name: 'first sample', accept: this.#storeFirst },
      // What history knows and no more, so that a rule can be tried on history.
      { name: 'rules', accept: (batch) => this.#automations?.accept(batch) },
    ];
    this.points = new PointsTable({ clock, logger: log('points'), all, reported });
    this.live.attach(this.points);
    if (config.publish.json !== false) {
      this.news = new LiveLane();
      this.news.attach(this.points);
      reported.push({ name: 'publisher', accept: this.news.accept });
    }
    if (config.sparkplug !== undefined) {
      this.sparkplugNews = new LiveLane();
      this.sparkplugNews.attach(this.points);
      reported.push({ name: 'sparkplug', accept: this.sparkplugNews.accept });
    }
    if (config.opcuaServer !== undefined) {
      this.opcuaNews = new LiveLane();
      this.opcuaNews.attach(this.points);
      reported.push({ name: 'OPC UA server', accept: this.opcuaNews.accept });
    }
    if (config.detectors) {
      this.#detectors = new DetectorLane({ catalog: this.catalog, points: this.points, alarms: this.alarms });
      all.push({ name: 'detectors', accept: this.#detectors.accept });
    }
    this.#computed = new ComputedPoints({ points: this.points });
    all.push({ name: 'computed points', accept: this.#computed.accept });
    this.devices = new DeviceSupervisor({
      ...deps,
      catalog: this.catalog,
      points: this.points,
      told: new DeviceAlarms({ logger: log('alarms'), register: this.alarms, events: this.events }),
      onFailing: driverAlarm(this.alarms),
    });
    const ports = commandPortsOf({ devices: this.devices, points: this.points, catalog: this.catalog });
    this.commands = new CommandPath(
      { clock, logger: log('commands'), journal, kv, ...ports, interlocks: this.#interlocks },
      { writeTimeoutMs: WRITE_TIMEOUT_MS },
    );
    const watch = new ClockWatch({ clock, logger: log('clock'), journal: this.journal });
    const sampleWay = [this.alarms, this.commands, this.points, this.devices];
    this.#parts = [this.journal, watch, this.recentEvents, ...sampleWay];
  }

  /** Everything but the devices: `apply` brings them. @throws UnavailableError when a store cannot be opened */
  async start(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    this.journal.onFault((fault) => this.events.diskChanged(fault));
    this.devices.onChanged((changed) => this.events.devicesChanged(changed));
    await Promise.all([startAll(this.#parts, options), this.catalog.load()]);
  }

  /** Stops the drivers, then writes and seals what they delivered. */
  async stop(): Promise<void> {
    const [journal, ...others] = this.#parts;
    this.#rules.stop();
    try {
      await stopAll([...others, ...(this.#automations === undefined ? [] : [this.#automations])]);
    } finally {
      await journal?.stop();
    }
  }

  /** Makes `specs` the devices of this gateway, undisturbed where nothing changed. @throws UnavailableError */
  async apply(specs: readonly DeviceSpec[]): Promise<{ readonly started: number; readonly stopped: number }> {
    const counts = await this.devices.apply(specs);
    const devices = this.devices.devices();
    const active = [...devices.values()];
    await this.#computed.apply(devices);
    const compile = hasExpressions(specs)
      ? (await import('./conditions/compile.ts')).conditionCompiler(devices, this.points)
      : undefined;
    this.#interlocks.apply(active, compile);
    this.#rules.watch(watchedPointsOf(active, compile));
    await this.#detectors?.apply(active);
    return counts;
  }

  /** The rules at work; undefined: there were none yet. */
  get automations(): RuleLane | undefined {
    return this.#automations;
  }

  /** Makes `rules` the rules of this gateway, undisturbed where nothing changed. Call it after `apply`. */
  async applyRules(rules: readonly RuleSpec[]): Promise<void> {
    if (rules.length === 0 && this.#automations === undefined) return;
    this.#automations ??= await this.#openAutomations();
    this.#automations.apply(rules);
  }

  async #openAutomations(): Promise<RuleLane> {
    const { clock, logger, stateStore: kv, localBroker: broker } = this.#deps;
    const { RuleLane } = await import('./automations/rule-lane.ts');
    const { catalog, points, alarms, events } = this;
    const lane = new RuleLane(
      {
        ...{ clock, logger: logger.child({ name: 'gateway:rules' }), kv, broker },
        ...{ catalog, points, alarms, events, command: (command) => this.commands.handle(command) },
      },
      { location: this.#location },
    );
    await lane.start();
    return lane;
  }

  /** The first value goes to the disk at once: after a start the history begins as early as it can. */
  readonly #storeFirst: SampleSink = (batch) => {
    if (this.#hasStored || !batch.quality.subarray(0, batch.length).includes(GOOD)) return;
    this.#hasStored = true;
    const { clock, logger } = this.#deps;
    this.journal.flush().then(
      () =>
        logger
          .child({ name: 'gateway' })
          .info({ afterMs: Math.round(clock.monotonicMs()) }, 'first sample stored'),
      () => undefined,
    );
  };
}
