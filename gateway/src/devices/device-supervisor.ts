import type { DeviceState, Driver, DriverDeps, MqttLink } from '@millwright/device-drivers';
import {
  bad,
  type Clock,
  type DeviceSlug,
  type DeviceSpec,
  type DeviceStatus,
  describedPoint,
  InvalidInputError,
  type Lifecycle,
  type Logger,
  type PointNo,
  SampleBatch,
} from '@millwright/protocol';
import type { Catalog, CatalogWish } from '../points/catalog.ts';
import { wishesOf } from '../points/point-kind.ts';
import type { PointRules, PointsTable } from '../points/points-table.ts';
import type { DeviceStatusSource } from '../uplink/ports.ts';
import { type DriverModules, loadFactory, type NumberedDevice } from './line-factory.ts';
import { LineRunner } from './line-runner.ts';

const DRIVER_RESTARTED = bad('driver-restarted');

export interface DeviceSupervisorDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly catalog: Catalog;
  readonly points: PointsTable;
  readonly modules: DriverModules;
  /** The gateway's own broker, once it runs. */
  readonly localBroker?: () => MqttLink | undefined;
  readonly secret?: (name: string) => string | undefined;
  readonly driverDir?: string;
  /** What devices raise and tell themselves. */
  readonly told?: Required<Pick<DriverDeps, 'onAlarm' | 'onAlarmList' | 'onEvent'>>;
  /** The driver of these devices has failed five times within an hour; undefined: no longer. */
  readonly onFailing?: (devices: readonly DeviceSlug[], why: string | undefined) => void;
  readonly random?: () => number;
}

interface Line {
  readonly runner: LineRunner;
  /** Everything it was made from: equal words, equal line. */
  readonly words: string;
  readonly devices: readonly NumberedDevice[];
}

/** Runs the drivers of all devices, one per line, each on its own: what breaks in one stays there. */
export class DeviceSupervisor implements Lifecycle, DeviceStatusSource {
  readonly #deps: DeviceSupervisorDeps;
  readonly #lines = new Map<string, Line>();
  readonly #devices = new Map<DeviceSlug, NumberedDevice>();
  readonly #statuses = new Map<DeviceSlug, DeviceStatus>();
  readonly #listeners = new Set<(changed: readonly DeviceStatus[]) => void>();
  #applying: Promise<unknown> = Promise.resolve();
  #isStopped = false;

  constructor(deps: DeviceSupervisorDeps) {
    this.#deps = deps;
  }

  /** Nothing to do: lines run from the moment they are applied. */
  async start(): Promise<void> {
    this.#isStopped = false;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#applying.catch(() => undefined);
    await Promise.all([...this.#lines.values()].map(({ runner }) => runner.stop()));
    this.#lines.clear();
  }

  /**
   * Makes `specs` the devices of this gateway. Lines of which no device changed go on undisturbed.
   * @returns how many lines were started and stopped
   * @throws UnavailableError when new points cannot be numbered; then nothing has changed
   */
  apply(specs: readonly DeviceSpec[]): Promise<{ readonly started: number; readonly stopped: number }> {
    const applied = this.#applying.catch(() => undefined).then(() => this.#apply(specs));
    this.#applying = applied;
    return applied;
  }

  devices(): ReadonlyMap<DeviceSlug, NumberedDevice> {
    return this.#devices;
  }

  /**
   * The driver that serves a device now.
   * @throws InvalidInputError `DEVICE_UNKNOWN`; UnavailableError `DRIVER_NOT_RUNNING`
   */
  driverOf(device: DeviceSlug): Driver {
    for (const { runner, devices } of this.#lines.values()) {
      if (devices.some(({ spec }) => spec.id === device)) return runner.driver;
    }
    throw new InvalidInputError('DEVICE_UNKNOWN', `there is no device "${device}" on this gateway`);
  }

  statuses(): readonly DeviceStatus[] {
    return [...this.#statuses.values()];
  }

  onChanged(listener: (changed: readonly DeviceStatus[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #apply(specs: readonly DeviceSpec[]): Promise<{ started: number; stopped: number }> {
    const { points } = this.#deps;
    const active = await this.#number(specs);
    const wanted = await this.#group(active);
    if (this.#isStopped) return { started: 0, stopped: 0 };

    const obsolete = [...this.#lines].filter(([name, line]) => wanted.get(name)?.words !== line.words);
    await Promise.all(obsolete.map(([, { runner }]) => runner.stop()));
    for (const [name] of obsolete) this.#lines.delete(name);

    const kept = new Set(active.flatMap(({ numbers }) => [...numbers.values()]));
    for (const { numbers } of this.#devices.values()) {
      points.retire([...numbers.values()].filter((no) => !kept.has(no)));
    }
    points.configure(active.flatMap(rulesOf));
    this.#devices.clear();
    for (const device of active) this.#devices.set(device.spec.id, device);

    const fresh = [...wanted].filter(([name]) => !this.#lines.has(name));
    this.#beginStatuses(
      active,
      new Set(fresh.flatMap(([, { devices }]) => devices.map(({ spec }) => spec.id))),
    );
    for (const [name, { words, devices }] of fresh) {
      const runner = this.#runner(name, devices);
      this.#lines.set(name, { runner, words, devices });
      await runner.start();
    }
    return { started: fresh.length, stopped: obsolete.length };
  }

  async #number(specs: readonly DeviceSpec[]): Promise<NumberedDevice[]> {
    const wishes = specs.map((spec) => [...wishesOf(spec)]);
    const flat: CatalogWish[] = wishes.flatMap((list) => list.map(([, wish]) => wish));
    const numbers = (await this.#deps.catalog.numbers(flat)).values();
    return specs.map((spec, at) => ({
      spec,
      numbers: new Map((wishes[at] ?? []).map(([id]) => [id, numbers.next().value as PointNo])),
    }));
  }

  async #group(
    active: readonly NumberedDevice[],
  ): Promise<Map<string, { words: string; devices: NumberedDevice[] }>> {
    const lines = new Map<string, { words: string; devices: NumberedDevice[] }>();
    for (const device of active) {
      const { spec } = device;
      const driven = withoutComputed(device);
      const name = `${spec.driver} ${await this.#lineOf(spec)}`;
      const line = lines.get(name) ?? { words: '', devices: [] };
      line.words += JSON.stringify([driven.spec, [...driven.numbers.values()]]);
      line.devices.push(driven);
      lines.set(name, line);
    }
    return lines;
  }

  /** A driver that cannot be loaded gets a line of its own, where the runner reports it and tries again. */
  async #lineOf(spec: DeviceSpec): Promise<string> {
    try {
      return (await loadFactory(this.#deps.modules, spec.driver)).lineOf(spec);
    } catch {
      return `of ${spec.id}`;
    }
  }

  #runner(name: string, devices: readonly NumberedDevice[]): LineRunner {
    const { clock, logger, points, modules, secret, driverDir, random = Math.random } = this.#deps;
    const [first] = devices;
    const driver = first?.spec.driver ?? 'host';
    const log = logger.child({ name: `gateway:driver:${driver}` });
    const ids = devices.map(({ spec }) => spec.id);
    // A driver that hangs when it is stopped is left behind; what it still says is not listened to.
    const isCurrent = () => this.#lines.get(name)?.runner === runner;
    const runner: LineRunner = new LineRunner(name, {
      clock,
      logger: log,
      random,
      load: () => loadFactory(modules, driver),
      create: (factory, guard) => {
        const localBroker = this.#deps.localBroker?.();
        return factory.create(devices, {
          clock: guard.clock,
          logger: log,
          sink: guard.sink((batch) => {
            if (isCurrent()) points.accept(batch);
          }),
          onState: (device, state) => {
            if (isCurrent()) this.#setStates([device], state);
          },
          onAlarm: (alarm) => {
            if (isCurrent()) this.#deps.told?.onAlarm(alarm);
          },
          onAlarmList: (device, alarms) => {
            if (isCurrent()) this.#deps.told?.onAlarmList(device, alarms);
          },
          onEvent: (event) => {
            if (isCurrent()) this.#deps.told?.onEvent(event);
          },
          ...(localBroker === undefined ? {} : { localBroker }),
          ...(secret === undefined ? {} : { secret }),
          ...(driverDir === undefined ? {} : { stateDir: driverDir }),
        });
      },
      onFailed: (why) => {
        this.#setStates(ids, { online: false, why: `its driver does not run: ${why}` });
        this.#markRestarted(devices);
      },
      onRunning: () => log.debug({ line: name }, 'driver runs'),
      onFailing: (why) => this.#deps.onFailing?.(ids, why),
    });
    return runner;
  }

  #beginStatuses(active: readonly NumberedDevice[], fresh: ReadonlySet<DeviceSlug>): void {
    const before = new Map(this.#statuses);
    const sinceMs = this.#deps.clock.wallMs();
    this.#statuses.clear();
    const changed: DeviceStatus[] = [];
    for (const { spec } of active) {
      const old = before.get(spec.id);
      const status =
        old !== undefined && !fresh.has(spec.id)
          ? old
          : { ...headOf(spec), online: false, why: 'has not answered yet', sinceMs };
      this.#statuses.set(spec.id, status);
      if (status !== old) changed.push(status);
    }
    this.#tell(changed);
  }

  #setStates(devices: readonly DeviceSlug[], state: DeviceState): void {
    const sinceMs = this.#deps.clock.wallMs();
    const changed: DeviceStatus[] = [];
    for (const id of devices) {
      const old = this.#statuses.get(id);
      const active = this.#devices.get(id);
      if (old === undefined || active === undefined) continue;
      if (old.online === state.online && old.why === (state.online ? undefined : state.why)) continue;
      const since = old.online === state.online ? old.sinceMs : sinceMs;
      const status = {
        ...headOf(active.spec),
        online: state.online,
        ...(state.online ? {} : { why: state.why.slice(0, 300) }),
        sinceMs: since,
      };
      this.#statuses.set(id, status);
      changed.push(status);
    }
    this.#tell(changed);
  }

  #tell(changed: readonly DeviceStatus[]): void {
    if (changed.length === 0) return;
    for (const listener of this.#listeners) listener(changed);
  }

  #markRestarted(devices: readonly NumberedDevice[]): void {
    const { clock, points } = this.#deps;
    const nowMs = clock.wallMs();
    for (const { numbers } of devices) {
      const batch = new SampleBatch(Math.max(1, numbers.size));
      for (const no of numbers.values()) {
        if (points.sample(no)?.why !== 'driver-restarted') batch.pushNull(no, nowMs, nowMs, DRIVER_RESTARTED);
      }
      points.accept(batch);
    }
  }
}

function headOf(spec: DeviceSpec): Pick<DeviceStatus, 'device' | 'name' | 'type' | 'driver'> {
  return {
    device: spec.id,
    name: spec.name ?? spec.id,
    ...(spec.type === undefined ? {} : { type: spec.type }),
    driver: spec.driver,
  };
}

/** A device as its driver is to see it. */
function withoutComputed({ spec, numbers }: NumberedDevice): NumberedDevice {
  if (spec.computed === undefined) return { spec, numbers };
  const { computed, ...driven } = spec;
  const own = [...numbers].filter(([id]) => !Object.hasOwn(computed, id));
  return { spec: driven, numbers: new Map(own) };
}

function rulesOf({ spec, numbers }: NumberedDevice): PointRules[] {
  return [...numbers].map(([id, no]) => {
    const point = describedPoint(spec, id);
    return {
      no,
      deadband: point?.report?.deadband,
      relativeDeadband: point?.report?.relativeDeadband,
      swing: point?.report?.swing,
      heartbeatMs: point?.report?.heartbeat,
      staleMs: point?.stale,
    };
  });
}
