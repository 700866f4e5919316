import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { describe, expect, it, vi } from 'vitest';
import { HostApplication } from './host-application.ts';
import type { SessionEvents, SparkplugServer } from './session.ts';

const until = (check: () => void) => vi.waitFor(check, { timeout: 30_000, interval: 5 });

describe('a host application that is stopped', () => {
  it('stays dead, also when the broker acknowledges its birth only then', async () => {
    const published: string[] = [];
    const acknowledged = Promise.withResolvers<void>();
    let events: SessionEvents | undefined;
    const server: SparkplugServer = {
      name: 'memory',
      open: async (_will, given) => {
        events = given;
        return {
          subscribe: async () => undefined,
          publish: async (_topic, payload) => {
            published.push(String(payload));
            if (published.length === 1) await acknowledged.promise;
          },
          end: async () => undefined,
        };
      },
    };
    const onConnected = vi.fn();
    const nothing = () => undefined;
    const host = new HostApplication(
      {
        clock: new MemoryClock(),
        logger: new MemoryLogger(),
        servers: [server],
        listener: {
          ...{ onBirth: nothing, onData: nothing, onDeath: nothing, onDisconnected: nothing },
          onConnected,
        },
      },
      { host: 'scada', nodes: [{ group: 'plant', node: 'line', reorderMs: 1000 }] },
    );
    await host.start();
    await until(() => expect(published).toHaveLength(1));
    await host.stop();
    acknowledged.resolve();
    await Promise.resolve();
    events?.onMessage('spBv1.0/STATE/scada', Buffer.from('{"online":false,"timestamp":1}'), false);
    expect(published.map((state) => JSON.parse(state).online)).toEqual([true, false]);
    expect(onConnected).not.toHaveBeenCalled();
  });
});
