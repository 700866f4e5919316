import {
  type DeviceSlug,
  type DeviceSpec,
  type EventRecord,
  InlineDevice,
  type PointId,
  type Value,
} from '@millwright/protocol';
import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { conditionCompiler } from '../conditions/compile.ts';
import type { NumberedDevice } from '../conditions/condition.ts';
import { DeviceSupervisor } from '../devices/device-supervisor.ts';
import { MemoryDrivers } from '../devices/memory-driver.fixture.ts';
import { JournalConfig } from '../journal/config.ts';
import { MemoryKvFile } from '../journal/kv/memory-kv.ts';
import { KvJournal } from '../journal/kv-journal.ts';
import { Catalog } from '../points/catalog.ts';
import { PointsTable } from '../points/points-table.ts';
import type { AlarmName, AlarmView } from './alarm-record.ts';
import { AlarmRegister } from './alarm-register.ts';
import type { AlarmRequest } from './alarm-request.ts';
import { AlarmRules } from './alarm-rules.ts';
import { watchedPointsOf } from './watched-points.ts';

/** Alarms of a few devices with everything from the driver to the journal real but the disk, and time that is told to pass. */
export class AlarmBench {
  clock = new MemoryClock();
  readonly logger = new MemoryLogger();
  readonly notes: string[] = [];
  readonly #journalFile = new MemoryKvFile();
  readonly #stateFile = new MemoryKvFile();
  readonly #devices: readonly DeviceSpec[];
  #drivers = new MemoryDrivers();
  #running: { readonly stop: () => Promise<void>; readonly journal: KvJournal } | undefined;
  register: AlarmRegister;

  private constructor(devices: readonly object[]) {
    this.#devices = devices.map((device) => InlineDevice.parse(device));
    this.register = this.#newRegister({ appendEvent: async () => ({ epoch: 0, seq: 0 }) }, undefined);
  }

  static async start(...devices: readonly object[]): Promise<AlarmBench> {
    const bench = new AlarmBench(devices);
    await bench.begin();
    return bench;
  }

  /** An MQTT device with these points. */
  static device(id: string, points: Record<string, object>): object {
    const described = Object.entries(points).map(([point, more]) => [
      point,
      { topic: `${id}/${point}`, as: 'float64', ...more },
    ]);
    return { id, driver: 'mqtt', connect: { broker: 'local' }, points: Object.fromEntries(described) };
  }

  async begin(): Promise<void> {
    const { clock, logger } = this;
    const journal = new KvJournal(
      { clock, logger, file: this.#journalFile },
      JournalConfig.parse({ eventVisibleWithinMs: 0, eventSealEveryMs: 0 }),
    );
    await journal.start();
    const kv = await this.#stateFile.open();
    const register = this.#newRegister(journal, kv);
    this.register = register;
    await register.start();
    const rules = new AlarmRules({ clock, register });
    const all = [{ name: 'alarms', accept: rules.accept }];
    const points = new PointsTable({ clock, logger, all, reported: [] });
    await points.start();
    const catalog = new Catalog({ logger, stores: [await new MemoryKvFile().open()] });
    await catalog.load();
    this.#drivers = new MemoryDrivers();
    const { modules } = this.#drivers;
    const devices = new DeviceSupervisor({ clock, logger, catalog, points, modules });
    await devices.apply(this.#devices);
    while (this.#drivers.log.length < 2) await clock.advance(0);
    const known: ReadonlyMap<DeviceSlug, NumberedDevice> = devices.devices();
    rules.watch(watchedPointsOf(known.values(), conditionCompiler(known, points)));
    this.#running = {
      journal,
      stop: async () => {
        rules.stop();
        await devices.stop();
        await points.stop();
        await register.stop();
        await journal.stop();
        await kv.close();
      },
    };
  }

  async end(): Promise<void> {
    const stopping = this.#running?.stop();
    await this.clock.advance(10_000);
    await stopping;
  }

  /** As after `kill -9`: nothing of the old process gets another turn. */
  async crash(): Promise<void> {
    await this.clock.advance(0);
    this.clock = new MemoryClock(this.clock.wallMs() + 5000);
    await this.begin();
  }

  send(device: string, point: string, value: Value): void {
    this.#drivers.send(device, point, value);
  }

  sendBad(device: string, point: string): void {
    this.#drivers.sendBad(device, point, 'timeout');
  }

  async ask(
    device: string,
    point: string,
    alarm: string,
    request: Omit<AlarmRequest, 'by'>,
  ): Promise<AlarmView> {
    const name: AlarmName = { device: device as DeviceSlug, point: point as PointId, alarm };
    const asked = this.register.request(name, { by: 'ann', ...request });
    let isAnswered = false;
    const answered = () => {
      isAnswered = true;
    };
    asked.then(answered, answered);
    await this.clock.advance(0);
    // A raising before it may have to wait for its turn on the disk.
    while (!isAnswered) await this.clock.advance(100);
    return asked;
  }

  /** `point alarm: state`, sorted. */
  states(): string[] {
    return this.register
      .list()
      .map(({ point, alarm, state }) => `${point} ${alarm}: ${state}`)
      .sort();
  }

  async events(): Promise<EventRecord[]> {
    for (let turn = 0; turn < 5; turn++) await this.clock.advance(1000);
    const entries = (await this.#running?.journal.entriesAfter(null, 1000)) ?? [];
    return entries.flatMap((entry) => (entry.kind === 'event' ? [entry.event] : []));
  }

  #newRegister(
    journal: ConstructorParameters<typeof AlarmRegister>[0]['journal'],
    kv: ConstructorParameters<typeof AlarmRegister>[0]['kv'] | undefined,
  ): AlarmRegister {
    const none = { set: async () => undefined, delete: async () => undefined, list: async () => [] };
    const note = (type: string, message: string) => void this.notes.push(`${type}: ${message}`);
    return new AlarmRegister({ clock: this.clock, logger: this.logger, journal, kv: kv ?? none, note });
  }
}
