import type { MqttLink } from '@millwright/device-drivers';
import {
  type DeviceSlug,
  type DeviceSpec,
  type DeviceStatus,
  GOOD,
  InlineDevice,
  type PointId,
  type PointNo,
  type QualityByte,
  type Receipt,
  SampleBatch,
  type Value,
  type WriteCommand,
} from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node';
import { MemoryLogger } from '@millwright/protocol/testing';
import { LiveLane } from '../points/live-lane.ts';
import { PointsTable } from '../points/points-table.ts';
import { PublishConfig } from './config.ts';
import type { PublishedDevice } from './json/json-publisher.ts';
import { Publisher } from './publisher.ts';

/** A publisher with real points behind it; a test says which devices there are and what they deliver. */
export class PublisherFixture {
  readonly logger = new MemoryLogger();
  readonly publisher: Publisher;
  readonly commands: WriteCommand[] = [];
  hasAudience = true;
  answer: Pick<Receipt, 'result' | 'message'> = { result: 'done', message: 'done' };
  readonly #news = new LiveLane();
  readonly #points: PointsTable;
  readonly #devices = new Map<DeviceSlug, PublishedDevice>();
  readonly #statuses = new Map<DeviceSlug, DeviceStatus>();
  readonly #listeners = new Set<(changed: readonly DeviceStatus[]) => void>();
  #next = 0;

  constructor(link: MqttLink, publish: object = {}) {
    const { json, homeAssistant } = PublishConfig.parse(publish);
    if (json === false) throw new TypeError('a publisher without topics');
    const sink = { name: 'news', accept: this.#news.accept };
    this.#points = new PointsTable({ clock: systemClock, logger: this.logger, all: [], reported: [sink] });
    this.#news.attach(this.#points);
    this.publisher = new Publisher(
      {
        clock: systemClock,
        logger: this.logger,
        link,
        news: this.#news,
        points: this.#points,
        devices: {
          devices: () => this.#devices,
          statuses: () => [...this.#statuses.values()],
          onChanged: (listener) => {
            this.#listeners.add(listener);
            return () => this.#listeners.delete(listener);
          },
        },
        commands: async (command) => {
          this.commands.push(command);
          return { id: command.id, atMs: 0, ...this.answer };
        },
        names: { site: 'works', gateway: 'gw1', version: '1.2.3' },
        hasAudience: () => this.hasAudience,
      },
      { json, homeAssistant },
    );
  }

  /** Makes these the devices, all of them online. */
  setDevices(...specs: readonly DeviceSpec[]): void {
    this.#devices.clear();
    this.#statuses.clear();
    for (const spec of specs) {
      const ids = Object.keys(spec.points) as PointId[];
      const numbers = new Map(ids.map((id) => [id, this.#next++ as PointNo]));
      this.#points.configure([...numbers.values()].map((no) => ({ no })));
      this.#devices.set(spec.id, { spec, numbers });
      this.setOnline(spec.id, true);
    }
    this.publisher.refresh();
  }

  setOnline(device: string, online: boolean): void {
    const slug = device as DeviceSlug;
    const status: DeviceStatus = { device: slug, name: device, driver: 'modbus', online, sinceMs: 0 };
    this.#statuses.set(slug, status);
    for (const listener of this.#listeners) listener([status]);
  }

  send(device: string, point: string, value: Value, quality: QualityByte = GOOD): void {
    const no = this.#devices.get(device as DeviceSlug)?.numbers.get(point as PointId);
    if (no === undefined) throw new TypeError(`there is no ${point} of ${device}`);
    const batch = new SampleBatch(1);
    batch.push(no, systemClock.wallMs(), systemClock.wallMs(), value, quality);
    this.#points.accept(batch);
  }
}

/** A pump with a point of every kind. */
export function pump(id = 'pump-1', more: Readonly<Record<string, object>> = {}): DeviceSpec {
  return InlineDevice.parse({
    id,
    name: 'Feed pump',
    driver: 'modbus',
    connect: { tcp: '127.0.0.1:5020' },
    points: {
      flow: { at: 0, as: 'float32', unit: 'm3/h', label: 'Flow', class: 'measurement' },
      energy: { at: 2, as: 'uint32', scale: 0.1, unit: 'kW.h', class: 'total_increasing' },
      running: { table: 'discrete', at: 0, as: 'bool', label: 'Running' },
      speed: { at: 4, as: 'uint16', unit: '/min', write: { range: [0, 2900] } },
      enable: { table: 'coil', at: 0, as: 'bool', write: {} },
      serial: { at: 10, as: 'text', length: 8 },
      mode: { at: 20, as: 'uint16', enum: { 0: 'off', 1: 'auto' }, write: {} },
      phase: { at: 21, as: 'uint16', enum: { 0: 'filling', 1: 'pumping' } },
      ...more,
    },
  });
}
