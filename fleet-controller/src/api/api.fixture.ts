import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type AlarmCommand,
  type GatewayId,
  type Receipt,
  type RegionId,
  UnavailableError,
  type WriteCommand,
} from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node';
import { Access } from '../auth/access.ts';
import { EnrolmentTokens } from '../auth/enrolment-tokens.ts';
import { CommandDesk, type CommandSender } from '../commands/command-desk.ts';
import { EventStreams } from '../events/event-streams.ts';
import { HistoryReader } from '../history/history-reader.ts';
import { HttpServer } from '../http-server.ts';
import { InventoryReader } from '../inventory/inventory-reader.ts';
import { JournalReader } from '../inventory/journal-reader.ts';
import { regionMetrics } from '../metrics.ts';
import { temporaryFolder } from '../postgres/test-server.fixture.ts';
import { RegionData } from '../region-data.fixture.ts';
import { Overview } from '../summary/overview.ts';
import { Rates } from '../summary/rates.ts';
import { createApp } from './app.ts';
import type { ApiConfig } from './environment.ts';

export const TOKEN = 'the-token-of-the-tests';

/** Stands for the gateways: carries out every command at once, unless they are away. */
export class MemoryGateways implements CommandSender {
  readonly commands: WriteCommand[] = [];
  readonly alarms: AlarmCommand[] = [];
  isAway = false;

  async sendCommand(gateway: GatewayId, command: WriteCommand | AlarmCommand): Promise<Receipt> {
    if (this.isAway)
      throw new UnavailableError('GATEWAY_OFFLINE', `${gateway} is not connected; nothing was sent`);
    if ('action' in command) {
      this.alarms.push(command);
      return { id: command.id, result: 'done', message: 'done', atMs: 1 };
    }
    this.commands.push(command);
    const isTooHigh = typeof command.value === 'number' && command.value > 10;
    const { id } = command;
    return isTooHigh
      ? { id, result: 'refused', code: 'OUT_OF_RANGE', message: 'above 10', atMs: 1 }
      : { id, result: 'done', message: 'done', readBack: command.value, atMs: 1 };
  }
}

/** The whole HTTP side over real data, on a port of its own. */
export class TestApi {
  readonly data: RegionData;
  readonly gateways: MemoryGateways;
  readonly access: Access;
  readonly streams: EventStreams;
  readonly url: string;
  readonly #server: HttpServer;
  readonly #folder: string;

  private constructor(parts: {
    data: RegionData;
    gateways: MemoryGateways;
    access: Access;
    streams: EventStreams;
    server: HttpServer;
    folder: string;
  }) {
    this.data = parts.data;
    this.gateways = parts.gateways;
    this.access = parts.access;
    this.streams = parts.streams;
    this.#server = parts.server;
    this.#folder = parts.folder;
    this.url = `http://127.0.0.1:${parts.server.port}`;
  }

  static async start(databaseUrl: string, overrides: Partial<ApiConfig> = {}): Promise<TestApi> {
    const data = await RegionData.open(databaseUrl);
    const { clock, logger, database, live, store, feed } = data;
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'assets'));
    await writeFile(join(folder, 'index.html'), '<title>the console</title>');
    await writeFile(join(folder, 'assets', 'index-abc123.js'), 'export {};');
    const access = new Access({ clock, database });
    await access.start();
    await access.setToken('api-token', 'engineer', TOKEN);
    await access.setToken('display', 'viewer', 'the-token-of-a-viewer');
    const inventory = new InventoryReader(data);
    // Streams are timed by the real clock: their pieces go over real sockets.
    const streams = new EventStreams({ clock: systemClock, logger, feed });
    const gateways = new MemoryGateways();
    const region = 'north' as RegionId;
    const rates = new Rates({ clock, count: () => ({ stored: store.stats.samples, live: live.head }) });
    const server = new HttpServer(
      { fetch: (request, bindings) => app.fetch(request, bindings) },
      { host: '127.0.0.1', port: 0 },
    );
    await server.start();
    const app = createApp(
      {
        clock,
        logger,
        database,
        access,
        enrolment: new EnrolmentTokens({ clock, database, regionPeer: `12D3KooW${'A'.repeat(44)}` }),
        commands: new CommandDesk({ clock, logger, database, inventory, sender: gateways }),
        streams,
        history: new HistoryReader(data),
        inventory,
        journals: new JournalReader(data),
        overview: new Overview(
          { ...data, rates, listeners: () => streams.count },
          { region, silentAfterMs: 900_000 },
        ),
        metrics: regionMetrics({ region, store, live, streams }),
      },
      {
        region,
        version: '1.2.3',
        publicUrl: `http://127.0.0.1:${server.port}`,
        hosts: ['north.example'],
        consoleDirectory: folder,
        ...overrides,
      },
    );
    return new TestApi({ data, gateways, access, streams, server, folder });
  }

  async stop(): Promise<void> {
    await this.streams.stop();
    await this.#server.stop();
    await this.data.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** With the bearer token. */
  get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    return fetch(this.url + path, { headers: { authorization: `Bearer ${TOKEN}`, ...headers } });
  }

  send(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Response> {
    return fetch(this.url + path, {
      method,
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }
}
