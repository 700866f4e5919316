import { MemoryClock } from '@millwright/protocol/testing';
import { expect, it } from 'vitest';
import { type FoundDevice, PendingDevices, plainText, type SiteEntry, slugOf } from './pending-devices.ts';

function world(config: { readonly max?: number } = {}) {
  const clock = new MemoryClock();
  const kept = new Map<string, SiteEntry>();
  const pending = new PendingDevices(
    {
      clock,
      isTaken: (id) => id === 'taken' || [...kept.values()].some((entry) => entry.id === id),
      isAdopted: (key) => kept.has(key),
      keep: async (key, entry) => {
        kept.set(key, entry);
      },
    },
    config,
  );
  return { clock, kept, pending };
}

const lamp = (more: Partial<FoundDevice> = {}): FoundDevice => ({
  source: 'home-assistant',
  key: 'home-assistant:lamp',
  name: 'Hall lamp',
  entry: { id: 'hall-lamp', driver: 'mqtt' },
  ...more,
});

it('keeps one line per device however often it announces itself', async () => {
  const { clock, pending } = world();
  let changes = 0;
  pending.onChanged(() => changes++);
  pending.add(lamp());
  await clock.advance(1000);
  pending.add(lamp());
  expect(pending.list()).toHaveLength(1);
  expect(pending.list()[0]).toMatchObject({ id: 'hall-lamp', skipped: [] });
  expect(Number(pending.list()[0]?.lastSeenMs) - Number(pending.list()[0]?.firstSeenMs)).toBe(1000);
  expect(changes).toBe(1);
});

it('adopts a device once, under another id where one is chosen, and does not show it again', async () => {
  const { kept, pending } = world();
  pending.add(lamp());
  await expect(pending.adopt('hall-lamp', { as: 'taken' })).rejects.toMatchObject({ code: 'ID_TAKEN' });
  await expect(pending.adopt('hall-lamp', { as: 'A b' })).rejects.toMatchObject({ code: 'ID_INVALID' });
  expect(await pending.adopt('hall-lamp', { as: 'lamp-1' })).toBe('lamp-1');
  expect(kept.get('home-assistant:lamp')).toEqual({ id: 'lamp-1', driver: 'mqtt' });
  expect(pending.add(lamp())).toBe(false);
  await expect(pending.adopt('hall-lamp')).rejects.toMatchObject({ code: 'NOT_PENDING' });
});

it('leaves a device pending when it cannot be kept', async () => {
  const { pending } = world();
  pending.add(lamp({ entry: undefined }));
  await expect(pending.adopt('hall-lamp')).rejects.toMatchObject({ code: 'NOT_DESCRIBED' });
  expect(pending.get('hall-lamp')).toBeDefined();
  expect(await pending.adopt('hall-lamp', { entry: { driver: 'mqtt' } })).toBe('hall-lamp');
});

it('gives two devices of one name two ids, none of them taken', () => {
  const { pending } = world();
  pending.add(lamp());
  pending.add(lamp({ key: 'home-assistant:lamp-2' }));
  pending.add(lamp({ key: 'home-assistant:lamp-3', entry: { id: 'taken' } }));
  expect(pending.list().map(({ id }) => id)).toEqual(['hall-lamp', 'hall-lamp-2', 'taken-2']);
});

it('takes no more than it has room for, and keeps those it has', () => {
  const { pending } = world({ max: 2 });
  const taken = [1, 2, 3, 4].map((no) => pending.add(lamp({ key: `k${no}` })));
  expect(taken).toEqual([true, true, false, false]);
  expect(pending.refused).toBe(2);
  expect(pending.list().map(({ key }) => key)).toEqual(['k1', 'k2']);
});

it('does not show a dismissed device again', () => {
  const { pending } = world();
  pending.add(lamp());
  pending.dismiss('hall-lamp');
  expect(pending.add(lamp())).toBe(false);
  expect(pending.list()).toEqual([]);
});

it('makes text from devices fit to be shown', () => {
  expect(plainText('a\u0000b\u202Ec\n\n  d ${HOME}', 80)).toBe('a b c d $ {HOME}');
  expect(plainText('x'.repeat(1000), 10)).toHaveLength(10);
  expect(slugOf('Büro – Fenster 2')).toBe('buro-fenster-2');
  expect(slugOf('灯')).toBe('device');
});
