import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { InlineDevice, InvalidInputError, OpcuaConnect } from '@millwright/protocol';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { FoundDevice } from '../driver.ts';
import { Recorder } from '../testing/index.ts';
import { opcuaDriver } from './index.ts';
import { Cable } from './test-peer.ts';
import { OpcuaPlant } from './test-plant.ts';

const slow = { timeout: 300_000 };
const never = new AbortController().signal;

async function discover(
  url: string,
  { from, maxPoints = 10_000 }: { from?: string; maxPoints?: number } = {},
  signal = never,
): Promise<FoundDevice> {
  const target = { connect: OpcuaConnect.parse({ url }), maxPoints, ...(from === undefined ? {} : { from }) };
  const { clock, logger } = new Recorder();
  for await (const found of opcuaDriver.discover?.(target, { clock, logger }, { signal }) ?? []) return found;
  throw new InvalidInputError('TEST', 'nothing was found');
}
const pointsOf = ({ body }: FoundDevice) => body.points as Record<string, { node: string; as: string }>;

/** Processes that this one started and that still run. */
function childrenOf(pid: number): string[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
}

describe('a server that is looked at', () => {
  let plant: OpcuaPlant;
  beforeAll(async () => {
    plant = await OpcuaPlant.create({ variables: 20 });
  }, 60_000);
  afterAll(() => plant.dispose(), 60_000);

  it('is described as a device whose points have kinds, ids and nodes', slow, async () => {
    const found = await discover(plant.url, { from: 'ns=1;s=tank' });
    const points = pointsOf(found);
    expect(points.Level).toEqual({ node: 'ns=1;s=level', as: 'float64' });
    expect(Object.values(points).filter(({ node }) => /^ns=1;s=v\d+$/.test(node))).toHaveLength(20);
    expect(new Set(Object.values(points).map(({ as }) => as))).toEqual(
      new Set(['float64', 'text', 'uint64']),
    );
    expect(found.notes?.join()).toMatch(/methods: a point with "call"/);
    InlineDevice.parse({ id: found.id, driver: 'opcua', ...found.body });
  });

  it('is described as far as was asked for, and it is said that there is more', slow, async () => {
    const found = await discover(plant.url, { maxPoints: 5 });
    expect(Object.keys(pointsOf(found))).toHaveLength(5);
    expect(found.notes?.[0]).toContain('there is more');
  });

  it('is named when nobody answers', slow, async () => {
    await expect(discover('opc.tcp://127.0.0.1:1')).rejects.toMatchObject({ code: 'DEVICE_OFFLINE' });
  });
});

describe('a server with 100,000 nodes', () => {
  let big: ChildProcess;
  let port: number;
  let cable: Cable;

  beforeAll(async () => {
    big = fork(fileURLToPath(new URL('./test-big-server.ts', import.meta.url)), ['100000', '5000', '0']);
    const [told] = (await once(big, 'message')) as [{ port: number }];
    port = told.port;
    cable = new Cable(() => port);
    await cable.plugIn();
  }, 240_000);
  afterAll(async () => {
    await cable.pull();
    const gone = once(big, 'exit');
    big.disconnect();
    await gone;
  }, 60_000);

  it('is read to its end over many pages, within a bound of memory', slow, async () => {
    const found = await discover(`opc.tcp://127.0.0.1:${port}`, { maxPoints: 200_000 });
    const nodes = new Set(Object.values(pointsOf(found)).map(({ node }) => node));
    expect([...nodes].filter((node) => node.startsWith('ns=1;s=v'))).toHaveLength(100_000);
    expect(found.title).toContain('Millwright Big Server');
  });

  it('is let go of at once when nobody wants to know any more', slow, async () => {
    const others = childrenOf(process.pid);
    const cancelled = new AbortController();
    const reason = new InvalidInputError('CANCELLED', 'cancelled by the test');
    const asked = discover(`opc.tcp://127.0.0.1:${cable.port}`, {}, cancelled.signal);
    const refused = expect(asked).rejects.toBe(reason);
    await vi.waitFor(() => expect(cable.connections()).toBeGreaterThan(0), { timeout: 60_000 });
    cancelled.abort(reason);
    await refused;
    expect(childrenOf(process.pid)).toEqual(others);
    await vi.waitFor(() => expect(cable.connections()).toBe(0), { timeout: 60_000 });
  });

  it('that falls silent in the middle does not hold anybody up for ever', slow, async () => {
    const asked = discover(`opc.tcp://127.0.0.1:${cable.port}`, { maxPoints: 200_000 });
    const refused = expect(asked).rejects.toMatchObject({ code: 'DEVICE_OFFLINE' });
    await vi.waitFor(() => expect(cable.connections()).toBeGreaterThan(0), { timeout: 60_000 });
    cable.isSilent = true;
    await refused;
    cable.isSilent = false;
  });
});
