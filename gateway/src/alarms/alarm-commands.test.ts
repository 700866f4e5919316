import type { AlarmCommand } from '@millwright/protocol';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { AlarmBench } from './alarm-bench.fixture.ts';
import { alarmCommands } from './alarm-commands.ts';

let bench: AlarmBench;
beforeEach(async () => {
  bench = await AlarmBench.start(AlarmBench.device('pump', { temp: { alarms: { hi: { at: 80 } } } }));
});
afterEach(() => bench.end());

async function answerTo(more: Partial<AlarmCommand>) {
  const nowMs = bench.clock.wallMs();
  const command = {
    ...{ id: 'command-1', device: 'pump', point: 'temp', alarm: 'hi', action: 'acknowledge' },
    ...{ by: { name: 'ann', role: 'operator' }, issuedAtMs: nowMs, expiresAtMs: nowMs + 1000, ...more },
  } as AlarmCommand;
  const answering = alarmCommands({ clock: bench.clock, register: bench.register })(command);
  await bench.clock.advance(10);
  return answering;
}

it('what the region asks of an alarm is carried out in the name of who asked', async () => {
  bench.send('pump', 'temp', 90);
  expect(await answerTo({})).toMatchObject({
    ...{ id: 'command-1', result: 'done', message: 'pump temp hi is acknowledged' },
  });
  expect(bench.register.list()).toMatchObject([{ state: 'acknowledged', by: 'ann' }]);
  expect(await answerTo({ action: 'shelve', reason: 'repair' })).toMatchObject({ result: 'done' });
});

it.each<[code: string, more: Partial<AlarmCommand>]>([
  ['NOT_IN_ALARM', {}],
  ['ALARM_UNKNOWN', { alarm: 'lo' }],
  ['REASON_MISSING', { action: 'shelve' }],
  ['INVALID', { action: 'shelve', reason: 'x', forMs: 10 ** 12 }],
  ['ROLE', { by: { name: 'eve', role: 'viewer' } }],
  ['EXPIRED', { expiresAtMs: 0 }],
])('it is refused with %s', async (code, more) => {
  expect(await answerTo(more)).toMatchObject({ result: 'refused', code });
  expect(bench.states()).toEqual([]);
});
