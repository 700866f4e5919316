import { decodePayload, type Session, type SparkplugServer } from '@millwright/device-drivers/sparkplug';
import {
  type DeviceSlug,
  type DeviceSpec,
  InlineDevice,
  PointId,
  PointNo,
  SampleBatch,
  type Value,
  type WriteCommand,
} from '@millwright/protocol';
import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { NumberedDevice } from '../devices/line-factory.ts';
import { MemoryKvFile } from '../journal/kv/memory-kv.ts';
import { LiveLane } from '../points/live-lane.ts';
import { PointsTable } from '../points/points-table.ts';
import { BdSeq } from './bd-seq.ts';
import { BornDevices } from './born-devices.ts';
import { EdgeNode } from './edge-node.ts';
import { WriteInbox } from './write-inbox.ts';

const EVERY_MS = 100;
const until = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 30_000, interval: 5 });

/** A server in memory: takes what is published, or is slow to take it. */
class MemoryServer implements SparkplugServer {
  readonly name = 'memory';
  readonly published: { readonly topic: string; readonly bytes: Uint8Array }[] = [];
  taking: Promise<void> = Promise.resolve();
  #deliver: ((topic: string, bytes: Uint8Array, retained: boolean) => void) | undefined;

  open: SparkplugServer['open'] = async (_will, events): Promise<Session> => {
    this.#deliver = events.onMessage;
    return {
      subscribe: async () => undefined,
      publish: async (topic, payload) => {
        this.published.push({ topic, bytes: Buffer.from(payload) });
        await this.taking;
      },
      end: async () => undefined,
    };
  };

  deliver(topic: string, bytes: Uint8Array, retained = false): void {
    this.#deliver?.(topic, bytes, retained);
  }

  types(): string[] {
    return this.published.map(({ topic }) => topic.split('/').slice(2).join('/').replace('/box', ''));
  }
}

describe('the edge node', () => {
  let clock: MemoryClock;
  let logger: MemoryLogger;
  let server: MemoryServer;
  let points: PointsTable;
  let devices: Map<DeviceSlug, NumberedDevice>;
  let online: Set<string>;
  let commands: WriteCommand[];
  let node: EdgeNode;

  function device(id: string, count: number, first: number): NumberedDevice {
    const ids = Array.from({ length: count }, (_, at) => PointId.parse(`p${at}`));
    const spec: DeviceSpec = InlineDevice.parse({
      id,
      driver: 'host',
      points: Object.fromEntries(ids.map((point) => [point, { metric: 'cpu.load', label: 'x'.repeat(50) }])),
    });
    return { spec, numbers: new Map(ids.map((point, at) => [point, PointNo.parse(first + at)])) };
  }

  function add(id: string, count = 2): void {
    const added = device(id, count, 1000 * devices.size);
    devices.set(added.spec.id, added);
    points.configure([...added.numbers.values()].map((no) => ({ no })));
    online.add(id);
  }

  function send(no: number, value: Value): void {
    const batch = new SampleBatch(1);
    batch.push(PointNo.parse(no), clock.wallMs(), clock.wallMs(), value);
    points.accept(batch);
  }

  async function begin(
    config: { readonly role?: 'operator'; readonly maxPayloadBytes?: number } = {},
  ): Promise<void> {
    const news = new LiveLane();
    points = new PointsTable({ clock, logger, all: [], reported: [{ name: 'news', accept: news.accept }] });
    news.attach(points);
    const source = {
      devices: () => devices,
      statuses: () =>
        [...devices.values()].map(({ spec }) => ({
          device: spec.id,
          name: spec.id,
          driver: spec.driver,
          online: online.has(spec.id),
          sinceMs: 0,
        })),
    };
    const handle = async (command: WriteCommand) => {
      commands.push(command);
      return { id: command.id, result: 'done', message: '', atMs: 0 } as const;
    };
    node = new EdgeNode(
      {
        clock,
        logger,
        servers: [server],
        bdSeq: new BdSeq({ kv: await new MemoryKvFile().open() }),
        devices: new BornDevices({ devices: source, points, catalog: { entry: () => undefined }, news }),
        writes: new WriteInbox({ clock, logger, handle }, { role: config.role, group: 'plant' }),
      },
      {
        group: 'plant',
        node: 'box',
        version: '1',
        everyMs: EVERY_MS,
        maxPayloadBytes: config.maxPayloadBytes ?? 100_000,
      },
    );
  }
  async function start(): Promise<void> {
    await node.start();
    await until(() => expect(server.types()).toContain('NBIRTH'));
  }

  beforeEach(() => {
    clock = new MemoryClock();
    logger = new MemoryLogger();
    server = new MemoryServer();
    devices = new Map();
    online = new Set();
    commands = [];
  });

  it('sends the newest value of what changed in a tick, and nothing when nothing changed', async () => {
    await begin();
    add('pump');
    await start();
    server.published.length = 0;
    for (const value of [1, 2, 3]) send(0, value);
    await clock.advance(EVERY_MS);
    await clock.advance(EVERY_MS);
    expect(server.types()).toEqual(['DDATA/pump']);
    const [sent] = server.published.map(({ bytes }) => decodePayload(bytes));
    expect(sent?.metrics).toMatchObject([{ alias: 16n, cell: { case: 'doubleValue', value: 3 } }]);
    await node.stop();
  });

  it('holds changes back while the broker is slow, and loses none of the newest', async () => {
    await begin();
    add('pump');
    await start();
    const slow = Promise.withResolvers<void>();
    server.taking = slow.promise;
    server.published.length = 0;
    for (let turn = 0; turn < 200; turn++) {
      send(0, turn);
      await clock.advance(EVERY_MS);
    }
    expect(server.published.length).toBeLessThan(80);
    server.taking = Promise.resolve();
    slow.resolve();
    await until(async () => {
      await clock.advance(EVERY_MS);
      const last = server.published.at(-1);
      expect(last && decodePayload(last.bytes).metrics[0]?.cell?.value).toBe(199);
    });
    await node.stop();
  });

  it('sends data in parts that the broker takes, and says once when a birth is too large', async () => {
    await begin({ maxPayloadBytes: 2000 });
    add('small', 8);
    add('large', 400);
    await start();
    expect(server.types()).toEqual(['NBIRTH', 'DBIRTH/small']);
    for (let no = 0; no < 8; no++) send(no, no);
    for (let no = 1000; no < 1400; no++) send(no, no);
    await clock.advance(EVERY_MS);
    await clock.advance(EVERY_MS);
    expect(server.types().filter((type) => type === 'DDATA/large')).toEqual([]);
    expect(server.published.every(({ bytes }) => bytes.length <= 2000)).toBe(true);
    expect(logger.lines.filter(({ level }) => level === 'error')).toHaveLength(1);
    const seqs = server.published.map(({ bytes }) => decodePayload(bytes).seq);
    expect(seqs).toEqual(seqs.map((_, at) => at));
    await node.stop();
  });

  it('says that a device has died when it is taken out of the site, and bears one that comes', async () => {
    await begin();
    add('pump');
    await start();
    server.published.length = 0;
    devices.clear();
    add('fan');
    await clock.advance(EVERY_MS);
    expect(server.types().sort()).toEqual(['DBIRTH/fan', 'DDEATH/pump']);
    await node.stop();
  });

  it('hands writes to the command path with the role that is configured, and takes none that was retained', async () => {
    await begin({ role: 'operator' });
    add('pump');
    await start();
    // A payload with one metric: alias 17, Double, 7.5.
    const bytes = Uint8Array.from(Buffer.from('120d' + '1011' + '200a' + '690000000000001e40', 'hex'));
    server.deliver('spBv1.0/plant/DCMD/box/pump', bytes, true);
    expect(commands).toEqual([]);
    server.deliver('spBv1.0/plant/DCMD/box/pump', bytes);
    expect(commands).toMatchObject([{ device: 'pump', point: 'p1', value: 7.5, by: { role: 'operator' } }]);
    server.deliver('spBv1.0/plant/DCMD/other/pump', bytes);
    server.deliver('spBv1.0/plant/DCMD/box/nobody', bytes);
    server.deliver('spBv1.0/plant/DCMD/box/pump', Uint8Array.of(255));
    expect(commands).toHaveLength(1);
    await node.stop();
  });

  it('carries out no write when no role is configured, and says so once', async () => {
    await begin();
    add('pump');
    await start();
    const bytes = Uint8Array.from(Buffer.from('120d' + '1011' + '200a' + '690000000000001e40', 'hex'));
    server.deliver('spBv1.0/plant/DCMD/box/pump', bytes);
    server.deliver('spBv1.0/plant/DCMD/box/pump', bytes);
    expect(commands).toEqual([]);
    expect(logger.lines.filter(({ message }) => message.includes('sparkplug.role'))).toHaveLength(1);
    await node.stop();
  });
});
