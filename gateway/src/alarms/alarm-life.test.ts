import { ALARM_ACTIONS, type AlarmAction } from '@millwright/protocol';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AlarmBench } from './alarm-bench.fixture.ts';
import { type AlarmStatus, NORMAL, stateOf, transition } from './alarm-state.ts';

const PUMP = AlarmBench.device('pump', { temp: { alarms: { hi: { at: 80, priority: 'high' } } }, other: {} });
let bench: AlarmBench;
beforeEach(async () => {
  bench = await AlarmBench.start(PUMP);
});
afterEach(() => bench.end());

const send = (value: number) => bench.send('pump', 'temp', value);
const ask = (action: AlarmAction, more: { reason?: string; forMs?: number } = { reason: 'repair' }) =>
  bench.ask('pump', 'temp', 'hi', { action, ...more });
const types = async () => (await bench.events()).map(({ type }) => type);

describe('an alarm', () => {
  it('stays listed after it is over until somebody has seen it', async () => {
    send(90);
    send(20);
    expect(bench.states()).toEqual(['temp hi: returned']);
    expect(bench.register.active()).toEqual([]);
    expect(await ask('acknowledge')).toMatchObject({ state: 'normal' });
    expect(bench.states()).toEqual([]);
    expect(await types()).toEqual(['alarm.raised', 'alarm.cleared', 'alarm.acknowledged']);
  });

  it('is raised anew when it comes back unacknowledged', async () => {
    send(90);
    await bench.clock.advance(2000);
    send(20);
    await bench.clock.advance(2000);
    send(95);
    expect(bench.register.active()).toMatchObject([{ value: 95, raisedAtMs: bench.clock.wallMs() }]);
    expect(await types()).toEqual(['alarm.raised', 'alarm.cleared', 'alarm.raised']);
  });

  it('comes back from its shelf by itself, and tells then what is in alarm', async () => {
    send(90);
    await ask('shelve', { reason: 'repair', forMs: 60_000 });
    send(20);
    send(90);
    await bench.clock.advance(59_000);
    expect(bench.states()).toEqual(['temp hi: shelved']);
    await bench.clock.advance(1000);
    expect(bench.states()).toEqual(['temp hi: unacknowledged']);
    expect(await types()).toEqual(['alarm.raised', 'alarm.shelved', 'alarm.unshelved']);
  });

  it('can be shelved and taken out of service before it ever came', async () => {
    expect(await ask('shelve', { reason: 'commissioning' })).toMatchObject({ state: 'shelved' });
    expect(await ask('unshelve')).toMatchObject({ state: 'normal' });
    expect(await ask('take-out-of-service')).toMatchObject({ state: 'out-of-service' });
    send(90);
    expect(bench.register.active()).toEqual([]);
    expect(bench.register.standing()).toHaveLength(1);
    expect(await ask('return-to-service')).toMatchObject({ state: 'unacknowledged' });
  });

  it('needs a reason to be kept from people, and must be known', async () => {
    await expect(ask('shelve', {})).rejects.toMatchObject({ code: 'REASON_MISSING' });
    await expect(ask('take-out-of-service', {})).rejects.toMatchObject({ code: 'REASON_MISSING' });
    await expect(bench.ask('pump', 'temp', 'lo', { action: 'acknowledge' })).rejects.toMatchObject({
      code: 'ALARM_UNKNOWN',
    });
  });

  it('stands after a restart, its shelf included, as it stood before', async () => {
    send(90);
    await ask('acknowledge');
    await bench.end();
    await bench.begin();
    expect(bench.register.list()).toMatchObject([{ state: 'acknowledged', by: 'ann', reason: 'repair' }]);
    await ask('shelve', { reason: 'repair', forMs: 60_000 });
    await bench.crash();
    expect(bench.states()).toEqual(['temp hi: shelved']);
    await bench.clock.advance(54_000);
    expect(bench.states()).toEqual(['temp hi: shelved']);
    await bench.clock.advance(1000);
    expect(bench.states()).toEqual(['temp hi: unacknowledged']);
  });

  it('chatters when it comes five times in a minute, which is told once', async () => {
    for (let times = 0; times < 20; times++) {
      send(90);
      send(20);
      await bench.clock.advance(2000);
    }
    expect(bench.register.list()).toMatchObject([{ isChattering: true }]);
    expect(bench.notes.filter((note) => note.startsWith('alarm.chattering'))).toHaveLength(1);
    await bench.clock.advance(60_000);
    expect(bench.register.list()).toMatchObject([{ isChattering: false }]);
  });
});

it('alarms come as a flood when there are more than ten in ten minutes, until there are fewer than five', async () => {
  await bench.end();
  const points = Object.fromEntries(
    Array.from({ length: 12 }, (_, no) => [`p${no}`, { alarms: { hi: { at: 1 } } }]),
  );
  bench = await AlarmBench.start(AlarmBench.device('pump', points));
  for (let no = 0; no < 10; no++) bench.send('pump', `p${no}`, 5);
  expect(bench.register.isFlooded).toBe(false);
  bench.send('pump', 'p10', 5);
  expect(bench.register.isFlooded).toBe(true);
  await bench.clock.advance(1000);
  await bench.end();
  await bench.begin();
  expect(bench.register.isFlooded).toBe(true);
  await bench.clock.advance(15_000);
  expect(bench.register.isFlooded).toBe(false);
  bench.send('pump', 'p11', 5);
  expect(bench.register.isFlooded).toBe(false);
  expect(bench.notes.map((note) => note.split(':')[0])).toEqual(['alarm.flood', 'alarm.flood-ended']);
});

it('what the register says is what the diagram says, whatever happens, over crashes too', async () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom('raise' as const, 'clear' as const) },
    { weight: 4, arbitrary: fc.constantFrom(...ALARM_ACTIONS) },
    { weight: 1, arbitrary: fc.constantFrom('wait' as const, 'restart' as const, 'crash' as const) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      await bench.end();
      bench = await AlarmBench.start(PUMP);
      let model: AlarmStatus = NORMAL;
      for (const what of steps) {
        if (what === 'raise' || what === 'clear') {
          send(what === 'raise' ? 90 : 20);
          const result = transition(model, what, { needsAck: true });
          if (result.ok) model = result.status;
        } else if (what === 'wait') await bench.clock.advance(3000);
        else if (what === 'crash' || what === 'restart') {
          await bench.events();
          if (what === 'restart') await bench.end();
          await (what === 'restart' ? bench.begin() : bench.crash());
        } else {
          const result = transition(model, what, { needsAck: true });
          const answer = await ask(what, { reason: 'x', forMs: 604_800_000 }).then(
            ({ state }) => state,
            (error: { code: string }) => error.code,
          );
          // An alarm nobody ever heard of has no state that a request could be refused from, but a known one has.
          expect(answer).toBe(result.ok ? stateOf(result.status) : result.code);
          if (result.ok) model = result.status;
        }
        expect(bench.register.list()[0]?.state ?? 'normal').toBe(stateOf(model));
      }
    }),
    { numRuns: 60 },
  );
}, 60_000);
