import { MemoryClock } from '@millwright/protocol/testing';
import { describe, expect, it } from 'vitest';
import { MemoryBus } from './memory-bus.ts';
import { PooledBus } from './pooled-bus.ts';

const target = { unit: 1, timeoutMs: 1000 };

async function pool(reachable: readonly boolean[]) {
  const clock = new MemoryClock();
  const members = reachable.map((isReachable) => Object.assign(new MemoryBus({ clock }), { isReachable }));
  const bus = new PooledBus(members);
  const closed: string[] = [];
  const opened = bus
    .open({ signal: new AbortController().signal, onClose: (why) => closed.push(why) })
    .then(() => 'opened')
    .catch((error: { code: string }) => error.code);
  return { clock, members, bus, closed, opened: await opened };
}

describe('several connections used as one', () => {
  it('share what is asked', async () => {
    const { clock, members, bus } = await pool([true, true, true]);
    expect([bus.connections, bus.slots]).toEqual([3, 3]);
    const asked = [0, 1, 2].map((at) => bus.read(target, 'holding', at, 1));
    await clock.advance(10);
    expect((await Promise.all(asked)).every(({ ok }) => ok)).toBe(true);
    expect(members.map(({ requests }) => requests.length)).toEqual([1, 1, 1]);
    await expect(
      Promise.all([0, 1, 2, 3].map((at) => bus.read(target, 'holding', at, 1))),
    ).rejects.toMatchObject({ code: 'LINE_BUSY' });
  });

  it('are as many as the device allows', async () => {
    const { clock, members, bus, opened } = await pool([true, false, false]);
    expect([opened, bus.isOpen, bus.connections, bus.slots]).toEqual(['opened', true, 1, 1]);
    const asked = bus.read(target, 'holding', 0, 1);
    await clock.advance(10);
    expect((await asked).ok).toBe(true);
    expect(members.map(({ requests }) => requests.length)).toEqual([1, 0, 0]);
  });

  it('are none when it allows none', async () => {
    const { bus, opened } = await pool([false, false]);
    expect([opened, bus.isOpen]).toEqual(['MODBUS_CONNECT_FAILED', false]);
    expect(await bus.read(target, 'holding', 0, 1)).toEqual({ ok: false, why: 'closed' });
  });

  it('end together, and it is said once', async () => {
    const { members, bus, closed } = await pool([true, true]);
    const waiting = bus.read(target, 'holding', 0, 1);
    members[1]?.hangUp();
    expect(closed).toEqual(['the device closed the connection']);
    expect(members.map(({ isOpen }) => isOpen)).toEqual([false, false]);
    expect(await waiting).toEqual({ ok: false, why: 'closed' });
    members[0]?.hangUp();
    bus.close();
    expect(closed.length).toBe(1);
  });
});
