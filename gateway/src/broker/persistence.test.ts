import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UnavailableError } from '@millwright/protocol';
import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { connectAsync, type MqttClient } from 'mqtt';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { MemoryKvFile } from '../journal/kv/memory-kv.ts';
import { BrokerFixture, TestClient } from './broker.fixture.ts';
import { DurableRecords } from './durable-records.ts';

const patience = { timeout: 60_000, interval: 20 };

describe('records behind a store', () => {
  const world = async (file = new MemoryKvFile()) => {
    const [clock, logger] = [new MemoryClock(), new MemoryLogger()];
    return { file, clock, logger, records: new DurableRecords({ clock, logger, kv: await file.open() }) };
  };
  const bytes = (length: number, fill = 7) => new Uint8Array(length).fill(fill);

  it('are there again, whole, whatever their size, the newest of each', async () => {
    const { file, records } = await world();
    for (const [no, size] of [0, 1, 48 * 1024 - 4, 48 * 1024 - 3, 300_000].entries())
      records.write('a', no, bytes(size));
    records.write('a', 4, bytes(100_000, 9));
    records.write('b', 0, bytes(10));
    await records.committed();
    const found = await (await world(file)).records.load('a');
    expect([...found].map(([no, record]) => [no, record.length, record[0] ?? 0])).toEqual([
      ...[
        [0, 0, 0],
        [1, 1, 7],
        [2, 48 * 1024 - 4, 7],
        [3, 48 * 1024 - 3, 7],
        [4, 100_000, 9],
      ],
    ]);
  });

  it('never reach the disk when they are gone before their turn', async () => {
    const { file, records } = await world();
    for (let no = 0; no < 100; no++) {
      records.write('a', no, bytes(10));
      records.erase('a', no);
    }
    await records.committed();
    expect(file.commits).toBeLessThanOrEqual(1);
    expect((await (await world(file)).records.load('a')).size).toBe(0);
  });

  it('wait while the disk fails, hold nobody up, and are written when it works again', async () => {
    const { file, clock, logger, records } = await world();
    file.writeFault = new UnavailableError('KV_DISK_FULL', 'full');
    records.write('a', 1, bytes(10));
    await records.committed();
    records.write('a', 2, bytes(10));
    await records.committed();
    expect(logger.lines.map(({ level }) => level)).toEqual(['error']);
    file.writeFault = undefined;
    await clock.advance(5000);
    await vi.waitFor(
      () => expect(logger.lines.map(({ level }) => level)).toEqual(['error', 'info']),
      patience,
    );
    expect([...(await (await world(file)).records.load('a')).keys()]).toEqual([1, 2]);
  });
});

describe('the broker over a restart', () => {
  let fixture: BrokerFixture;
  afterEach(() => fixture.dispose());

  const restart = async () => {
    await fixture.broker.stop();
    await fixture.broker.start();
  };

  it('spares the disk what this process tells anew at every start', async () => {
    fixture = await BrokerFixture.started({ dev: true });
    const { broker } = fixture;
    broker.publish('a/kept', 'x', { retain: true });
    broker.publish('a/now', 'x', { retain: true });
    for (let no = 0; no < 50; no++) broker.publish('a/now', `${no}`, { retain: true, transient: true });
    expect(broker.stats().retained).toBe(2);
    await restart();
    expect(broker.stats().retained).toBe(1);
  });

  it('remembers retained messages, and what was removed of them', async () => {
    fixture = await BrokerFixture.started({ dev: true });
    const client = await fixture.connect();
    for (const topic of ['a', 'b', 'c'])
      await client.mqtt.publishAsync(topic, topic, { qos: 1, retain: true });
    await client.mqtt.publishAsync('b', '', { qos: 1, retain: true });
    fixture.broker.publish('own', 'x', { retain: true });
    await restart();
    const later = await fixture.connect();
    await later.mqtt.subscribeAsync('#');
    await vi.waitFor(() => expect(later.received.sort()).toEqual(['a=a', 'c=c', 'own=x']), patience);
  });

  it('remembers sessions with their subscriptions and queues, in order, each message once', async () => {
    fixture = await BrokerFixture.started();
    const { password } = await fixture.credentials.add({ username: 'away', subscribe: ['d/#'] });
    const away = { username: 'away', password, clientId: 'away', clean: false };
    const first = await fixture.connect(away);
    await first.mqtt.subscribeAsync({ 'd/#': { qos: 1 }, 'd/gone': { qos: 1 } });
    await first.mqtt.unsubscribeAsync('d/gone');
    await first.mqtt.endAsync();
    const device = await fixture.connectAs('d');
    for (let no = 0; no < 3; no++) await device.mqtt.publishAsync('d/x', String(no), { qos: 1 });
    await restart();
    const again = await fixture.connectAs('d2', { publish: ['d/#'] });
    await again.mqtt.publishAsync('d/x', '3', { qos: 2 });
    const back = await fixture.connect(away);
    await vi.waitFor(() => expect(back.received).toEqual(['d/x=0', 'd/x=1', 'd/x=2', 'd/x=3']), patience);
    await back.mqtt.endAsync();
    await restart();
    const last = await fixture.connect(away);
    await fixture
      .connectAs('d3', { publish: ['d/#'] })
      .then((d3) => d3.mqtt.publishAsync('d/x', '4', { qos: 1 }));
    await vi.waitFor(() => expect(last.received).toEqual(['d/x=4']), patience);
  });

  it('forgets the session of a user who is gone', async () => {
    fixture = await BrokerFixture.started();
    const client = await fixture.connectAs('gone', {}, { clientId: 'x', clean: false });
    await client.mqtt.subscribeAsync('gone/#', { qos: 1 });
    await fixture.broker.stop();
    await fixture.credentials.remove('gone');
    await fixture.broker.start();
    expect(fixture.broker.stats().sessions).toBe(0);
  });

  it('keeps its bounds over a restart: a queue that is full stays full, and drains', async () => {
    fixture = await BrokerFixture.started({ dev: true, limits: { queuedMessagesPerSession: 3 } });
    const away = { clientId: 'away', clean: false };
    const first = await fixture.connect(away);
    await first.mqtt.subscribeAsync('q', { qos: 1 });
    await first.mqtt.endAsync();
    const client = await fixture.connect();
    for (let no = 0; no < 5; no++) await client.mqtt.publishAsync('q', String(no), { qos: 1 });
    await restart();
    const after = await fixture.connect();
    await after.mqtt.publishAsync('q', '5', { qos: 1 });
    const back = await fixture.connect(away);
    await vi.waitFor(() => expect(back.received).toEqual(['q=0', 'q=1', 'q=2']), patience);
    await after.mqtt.publishAsync('q', '6', { qos: 1 });
    await vi.waitFor(() => expect(back.received).toContain('q=6'), patience);
  });

  it('serves on while the disk fails', async () => {
    fixture = await BrokerFixture.started({ dev: true });
    const client = await fixture.connect();
    fixture.file.writeFault = new UnavailableError('KV_DISK_FULL', 'full');
    await client.mqtt.publishAsync('a', '1', { qos: 1, retain: true });
    const later = await fixture.connect();
    await later.mqtt.subscribeAsync('a');
    await vi.waitFor(() => expect(later.received).toEqual(['a=1']), patience);
    fixture.file.writeFault = undefined;
  });
});

describe('the broker after kill -9', { timeout: 180_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'millwright-broker-kill-'));
  let child: ChildProcess | undefined;
  const clients: MqttClient[] = [];
  afterEach(() => {
    for (const client of clients) client.end(true);
    child?.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  const start = async (): Promise<number> => {
    child = spawn(process.execPath, [join(import.meta.dirname, 'broker-process.fixture.ts'), folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (child.stdout === null) throw new Error('no output');
    const [line] = await once(child.stdout, 'data');
    return Number(String(line).trim());
  };
  const client = async (port: number, options: { clientId?: string; clean?: boolean } = {}) => {
    const mqtt = await connectAsync(`mqtt://127.0.0.1:${port}`, {
      protocolVersion: 4,
      reconnectPeriod: 0,
      ...options,
    });
    clients.push(mqtt);
    return new TestClient(mqtt);
  };

  it('still holds every message its publisher was told is safe', async () => {
    const away = { clientId: 'away', clean: false };
    const port = await start();
    const subscriber = await client(port, away);
    await subscriber.mqtt.subscribeAsync('q/#', { qos: 1 });
    await subscriber.mqtt.endAsync();
    const publisher = await client(port);
    const acknowledged: string[] = [];
    const publish = async (topic: string, payload: string, retain: boolean) => {
      await publisher.mqtt.publishAsync(topic, payload, { qos: 1, retain });
      acknowledged.push(`${topic}=${payload}`);
    };
    for (let no = 0; no < 500; no++) {
      void publish('q/x', String(no), false).catch(() => undefined);
      void publish(`r/${no % 50}`, String(no), true).catch(() => undefined);
    }
    await vi.waitFor(() => expect(acknowledged.length).toBeGreaterThan(300), patience);
    child?.kill('SIGKILL');
    await once(child as ChildProcess, 'exit');
    const told = [...acknowledged];
    const again = await start();
    const back = await client(again, away);
    const queued = told.filter((line) => line.startsWith('q/'));
    await vi.waitFor(() => expect(back.received).toEqual(expect.arrayContaining(queued)), patience);
    expect(back.received.map((line) => Number(line.slice(4)))).toEqual(
      back.received.map((line) => Number(line.slice(4))).sort((a, b) => a - b),
    );
    const newest = new Map(
      told.filter((line) => line.startsWith('r/')).map((line) => line.split('=') as [string, string]),
    );
    const reader = await client(again);
    await reader.mqtt.subscribeAsync('r/#');
    await vi.waitFor(() => {
      const kept = new Map(reader.received.map((line) => line.split('=') as [string, string]));
      for (const [topic, payload] of newest)
        expect(Number(kept.get(topic))).toBeGreaterThanOrEqual(Number(payload));
    }, patience);
  });
});
