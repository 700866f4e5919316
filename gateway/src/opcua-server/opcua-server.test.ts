import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type CatalogEntry,
  CatalogEntry as CatalogEntrySchema,
  DeviceSlug,
  type DeviceStatus,
  InlineDevice,
  PointId,
  PointNo,
  qualityByte,
  SampleBatch,
} from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node';
import { MemoryLogger } from '@millwright/protocol/testing';
import { OPCUACertificateManager } from 'node-opcua-certificate-manager';
import {
  AttributeIds,
  ClientMonitoredItem,
  type ClientSession,
  ClientSubscription,
  type DataValue,
  MessageSecurityMode,
  OPCUAClient,
  SecurityPolicy,
  setDebugLogger,
  setErrorLogger,
  setWarningLogger,
  TimestampsToReturn,
  type UserIdentityInfo,
  UserTokenType,
} from 'node-opcua-client';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { LiveLane } from '../points/live-lane.ts';
import { PointsTable } from '../points/points-table.ts';
import { OpcuaServerConfig } from './config.ts';
import { OpcuaTrust } from './opcua-trust.ts';
import { OpcuaServerHost } from './server-host.ts';

const slow = { timeout: 120_000 };
const patience = { timeout: 60_000, interval: 50 };
const press = DeviceSlug.parse('press-2');
const kinds = { temp: 'float64', count: 'int64', running: 'bool', state: 'text' } as const;
const points = Object.keys(kinds).map((id) => PointId.parse(id));
const no = (id: string) => PointNo.parse(points.indexOf(PointId.parse(id)));

let state: string;
let logger: MemoryLogger;
let table: PointsTable;
let host: OpcuaServerHost;
const clients: OPCUAClient[] = [];
const listeners = new Set<(changed: readonly DeviceStatus[]) => void>();
let shown = new Map([[press, deviceWith(points)]]);

function deviceWith(ids: readonly PointId[]) {
  const spec = InlineDevice.parse({
    id: press,
    name: 'Press 2',
    driver: 'opcua',
    connect: { url: 'opc.tcp://127.0.0.1:1' },
    points: Object.fromEntries(ids.map((id) => [id, { node: `ns=1;s=${id}`, as: 'float64' }])),
  });
  return { spec, numbers: new Map(ids.map((id) => [id, no(id)])) };
}

beforeEach(async () => {
  for (const setLogger of [setDebugLogger, setErrorLogger, setWarningLogger]) setLogger(() => undefined);
  state = mkdtempSync(join(tmpdir(), 'millwright-opcua-server-'));
  logger = new MemoryLogger();
  shown = new Map([[press, deviceWith(points)]]);
  const news = new LiveLane();
  table = new PointsTable({
    clock: systemClock,
    logger,
    all: [],
    reported: [{ name: 'news', accept: news.accept }],
  });
  news.attach(table);
  table.configure(points.map((id) => ({ no: no(id) })));
  await table.start();
  const entries = new Map<number, CatalogEntry>(
    points.map((id) => [
      no(id),
      CatalogEntrySchema.parse({
        no: no(id),
        device: press,
        point: id,
        kind: kinds[id as keyof typeof kinds],
      }),
    ]),
  );
  host = new OpcuaServerHost(
    {
      ...{ clock: systemClock, logger, news, points: table },
      catalog: { entry: (number) => entries.get(number) },
      devices: {
        devices: () => shown,
        onChanged: (listener) => {
          listeners.add(listener);
          return () => listeners.delete(listener);
        },
      },
      secret: (name) => (name === 'SCADA_PASSWORD' ? 'correct' : undefined),
    },
    {
      ...OpcuaServerConfig.parse({ port: 0, users: [{ name: 'scada', passwordEnv: 'SCADA_PASSWORD' }] }),
      ...{ name: 'north-gw1', version: '1.0.0', pkiDir: join(state, 'opcua-server', 'pki'), isOpen: false },
    },
  );
  await host.start();
}, 60_000);

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.disconnect().catch(() => undefined)));
  await host.stop();
  await table.stop();
  rmSync(state, { recursive: true, force: true });
}, 60_000);

const url = () =>
  vi.waitFor(() => {
    expect(host.url).toBeDefined();
    return host.url ?? '';
  }, patience);

function set(
  values: Partial<Record<keyof typeof kinds, number | bigint | boolean | string>>,
  atMs: number,
): void {
  const batch = new SampleBatch(8);
  for (const [id, value] of Object.entries(values)) {
    if (typeof value === 'bigint') batch.pushInt(no(id), atMs, atMs, value, 0);
    else batch.push(no(id), atMs, atMs, value, 0);
  }
  table.accept(batch);
}

/** As a SCADA system connects: encrypted, with a certificate of its own. */
async function signIn(
  user: UserIdentityInfo = { type: UserTokenType.UserName, userName: 'scada', password: 'correct' },
  security = {
    securityPolicy: SecurityPolicy.Basic256Sha256,
    securityMode: MessageSecurityMode.SignAndEncrypt,
  },
): Promise<ClientSession> {
  const clientCertificateManager = new OPCUACertificateManager({
    rootFolder: join(state, 'scada'),
    automaticallyAcceptUnknownCertificate: true,
    disableFileWatchers: true,
  });
  const client = OPCUAClient.create({
    ...{ ...security, clientCertificateManager, endpointMustExist: false, applicationName: 'Scada' },
    connectionStrategy: { maxRetry: 0 },
  });
  clients.push(client);
  await client.connect(await url());
  return client.createSession(user);
}

/** The first attempt of a stranger leaves its certificate behind: somebody trusts it. */
async function trusted(): Promise<void> {
  await expect(signIn()).rejects.toThrow();
  const trust = new OpcuaTrust({ stateDir: state });
  const [stranger] = await trust.list();
  expect(stranger).toMatchObject({ state: 'rejected', peer: 'client' });
  await trust.trust(stranger?.thumbprint ?? '');
}

const shownOf = (session: ClientSession, id: string): Promise<DataValue> =>
  session.read({ nodeId: `ns=1;s=press-2.${id}`, attributeId: AttributeIds.Value });

it(
  'lets a client in that is trusted and knows a password, and shows it values with quality and time',
  slow,
  async () => {
    await trusted();
    const session = await signIn();
    const atMs = Date.now() - 5000;
    set({ temp: 21.5, count: -7n, running: true, state: 'läuft' }, atMs);
    await vi.waitFor(
      async () => expect((await shownOf(session, 'state')).value.value).toBe('läuft'),
      patience,
    );
    const temp = await shownOf(session, 'temp');
    expect([temp.value.value, temp.statusCode.name, temp.sourceTimestamp?.getTime()]).toEqual([
      21.5,
      'Good',
      atMs,
    ]);
    expect((await shownOf(session, 'count')).value.value).toEqual([0xffff_ffff, 0xffff_fff9]);
    expect((await shownOf(session, 'running')).value.value).toBe(true);
    const batch = new SampleBatch(1);
    batch.pushNull(no('temp'), atMs + 1, atMs + 1, qualityByte('bad', 'disconnected'));
    table.accept(batch);
    await vi.waitFor(
      async () => expect((await shownOf(session, 'temp')).statusCode.name).toBe('BadNoCommunication'),
      patience,
    );
  },
);

it('tells a subscriber each change, and takes no writes', slow, async () => {
  await trusted();
  const session = await signIn();
  const subscription = ClientSubscription.create(session, {
    ...{ requestedPublishingInterval: 100, requestedMaxKeepAliveCount: 20, requestedLifetimeCount: 100 },
    publishingEnabled: true,
  });
  const item = ClientMonitoredItem.create(
    subscription,
    { nodeId: 'ns=1;s=press-2.temp', attributeId: AttributeIds.Value },
    { samplingInterval: 100, queueSize: 10 },
    TimestampsToReturn.Both,
  );
  const heard: unknown[] = [];
  item.on('changed', (value) => {
    if ('value' in value) heard.push(value.value.value);
  });
  for (const value of [1, 2, 3]) {
    set({ temp: value }, Date.now());
    await vi.waitFor(() => expect(heard.at(-1)).toBe(value), patience);
  }
  const value = { value: { dataType: 'Double', value: 9 } };
  const status = await session.write({
    ...{ nodeId: 'ns=1;s=press-2.temp', attributeId: AttributeIds.Value, value },
  });
  expect(status.isGood()).toBe(false);
  expect((await shownOf(session, 'temp')).value.value).toBe(3);
});

it('shuts out who gives a wrong password, no name, or no security', slow, async () => {
  await trusted();
  await signIn();
  const wrong: UserIdentityInfo = { type: UserTokenType.UserName, userName: 'scada', password: 'guess' };
  await expect(signIn(wrong)).rejects.toThrow();
  await expect(signIn({ type: UserTokenType.Anonymous })).rejects.toThrow();
  const none = { securityPolicy: SecurityPolicy.None, securityMode: MessageSecurityMode.None };
  await expect(signIn(undefined, none)).rejects.toThrow();
});

it('shows a device as it is now when its points change', slow, async () => {
  await trusted();
  const session = await signIn();
  await vi.waitFor(
    async () => expect((await shownOf(session, 'state')).statusCode.name).toBe('BadWaitingForInitialData'),
    patience,
  );
  shown = new Map([[press, deviceWith(points.slice(0, 2))]]);
  for (const listener of listeners) listener([]);
  await vi.waitFor(
    async () => expect((await shownOf(session, 'state')).statusCode.name).toBe('BadNodeIdUnknown'),
    patience,
  );
  set({ temp: 4 }, Date.now());
  await vi.waitFor(async () => expect((await shownOf(session, 'temp')).value.value).toBe(4), patience);
});

it(
  'is started anew when its process is killed, and leaves none behind when it is stopped',
  slow,
  async () => {
    const first = await url();
    const { pid } = host;
    process.kill(pid ?? 0, 'SIGKILL');
    await vi.waitFor(() => expect(host.url).toBeUndefined(), patience);
    await vi.waitFor(() => expect(host.url).toBeDefined(), patience);
    expect(host.pid).not.toBe(pid);
    expect(first).toContain('opc.tcp://127.0.0.1:');
    const last = host.pid ?? 0;
    await host.stop();
    expect(() => process.kill(last, 0)).toThrow();
    expect(readdirSync(join(state, 'opcua-server', 'pki'))).toContain('own');
  },
);
