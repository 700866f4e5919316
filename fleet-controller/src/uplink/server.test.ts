import { RegionId } from '@millwright/protocol';
import { createHost, type Host, systemClock, temporaryIdentity } from '@millwright/protocol/node';
import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { afterEach, describe, expect, test } from 'vitest';
import { MemoryIngestStore } from '../ingest/memory-store.ts';
import { UplinkServer } from './server.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function startedHost(listen: readonly string[]): Promise<Host> {
  const host = createHost({
    identity: await temporaryIdentity(),
    ...{ listen, clock: systemClock, logger: new MemoryLogger() },
  });
  await host.start();
  cleanups.push(() => host.stop());
  return host;
}

async function startedServer(clock: MemoryClock) {
  const host = await startedHost(['/ip4/127.0.0.1/tcp/0']);
  const server = new UplinkServer({
    ...{ host, clock, store: new MemoryIngestStore({ clock }), logger: new MemoryLogger() },
    live: { accept: () => undefined, connected: () => undefined },
    region: RegionId.parse('north'),
  });
  await server.start();
  cleanups.push(() => server.stop());
  return { host, server };
}

describe('the region’s end of the uplinks', () => {
  test('ends a connection that nobody uses', async () => {
    const clock = new MemoryClock();
    const { host } = await startedServer(clock);
    const stranger = await startedHost([]);
    const connection = await stranger.connect(host.addresses()[0] ?? '', { peerId: host.peerId });
    await clock.advance(29_000);
    expect(connection.isOpen).toBe(true);
    await clock.advance(1_000);
    await expect.poll(() => connection.isOpen).toBe(false);
  });

  test('may be stopped before it starts, and started twice', async () => {
    const { server } = await startedServer(new MemoryClock());
    await server.start();
    await server.stop();
    await server.stop();
    expect(server.connected()).toEqual([]);
  });
});
