import { afterEach, describe, expect, it } from 'vitest';
import { AlarmBench } from './alarm-bench.fixture.ts';

let bench: AlarmBench;
afterEach(() => bench.end());

const start = async (points: Record<string, object>) => {
  bench = await AlarmBench.start(AlarmBench.device('pump', points));
};
const send = (point: string, ...values: (number | boolean | string)[]) => {
  for (const value of values) bench.send('pump', point, value);
};
const messages = async () => (await bench.events()).map(({ message }) => message);

describe('an alarm', () => {
  it('on a state is raised while the value is one of those named', async () => {
    await start({
      mode: { as: 'text', alarms: { hand: { is: ['hand', 'off'], acknowledge: false } } },
      door: { as: 'bool', alarms: { open: { is: true, acknowledge: false, message: 'the door is open' } } },
    });
    send('mode', 'auto', 'hand');
    send('door', true);
    expect(bench.states()).toEqual(['door open: unacknowledged', 'mode hand: unacknowledged']);
    send('mode', 'off');
    expect(bench.states()).toHaveLength(2);
    send('mode', 'auto');
    send('door', false);
    expect(bench.states()).toEqual([]);
    expect((await messages()).sort()).toEqual([
      'pump mode is "auto" again',
      'pump mode is "hand" (medium)',
      'the door is open (medium)',
      'the door is open: over',
    ]);
  });

  it('on a change is raised by a step and by a ramp, and over when the window has passed', async () => {
    await start({
      temp: { unit: 'Cel', alarms: { fast: { change: 5, within: '10s', side: 'high', acknowledge: false } } },
    });
    for (const value of [20, 20.4, 20.8, 21.2]) {
      send('temp', value);
      await bench.clock.advance(1000);
    }
    expect(bench.states()).toEqual([]);
    send('temp', 26);
    expect(bench.states()).toEqual(['temp fast: unacknowledged']);
    for (let second = 0; second < 11; second++) {
      await bench.clock.advance(1000);
      send('temp', 26);
    }
    expect(bench.states()).toEqual([]);
    send('temp', 10);
    expect(bench.states()).toEqual([]);
    expect(await messages()).toEqual([
      'pump temp rose by 6 Cel within 10 s, more than 5 Cel (medium)',
      'pump temp no longer changes by more than 5 Cel within 10 s',
    ]);
  });

  it('on quality is raised by a device that does not answer and by values that go stale', async () => {
    await start({
      temp: { stale: '30s', alarms: { lost: { quality: ['bad', 'stale'], acknowledge: false } } },
    });
    send('temp', 20);
    expect(bench.states()).toEqual([]);
    bench.sendBad('pump', 'temp');
    expect(bench.states()).toEqual(['temp lost: unacknowledged']);
    send('temp', 20);
    expect(bench.states()).toEqual([]);
    await bench.clock.advance(32_000);
    expect(bench.states()).toEqual(['temp lost: unacknowledged']);
    expect((await messages())[0]).toBe('the value of pump temp is bad: timeout (medium)');
  });

  it('on an expression follows every point it reads, of other devices as well', async () => {
    bench = await AlarmBench.start(
      AlarmBench.device('pump', {
        temp: {
          alarms: {
            dry: {
              when: 'temp > 40 && flow < 1 && !valve',
              inputs: { valve: 'tank/valve' },
              acknowledge: false,
              priority: 'critical',
            },
          },
        },
        flow: {},
      }),
      AlarmBench.device('tank', { valve: { as: 'bool' } }),
    );
    send('temp', 50);
    send('flow', 0.5);
    expect(bench.states()).toEqual([]);
    bench.send('tank', 'valve', false);
    expect(bench.states()).toEqual(['temp dry: unacknowledged']);
    bench.sendBad('pump', 'flow');
    expect(bench.states()).toEqual(['temp dry: unacknowledged']);
    bench.send('tank', 'valve', true);
    expect(bench.states()).toEqual([]);
  });

  it('waits for its delays in both directions', async () => {
    await start({
      temp: { alarms: { hi: { at: 80, off: 75, delay: '5s', offDelay: '10s', acknowledge: false } } },
    });
    send('temp', 90);
    await bench.clock.advance(4000);
    send('temp', 70, 90);
    await bench.clock.advance(4000);
    expect(bench.states()).toEqual([]);
    await bench.clock.advance(1000);
    expect(bench.states()).toEqual(['temp hi: unacknowledged']);
    send('temp', 77);
    await bench.clock.advance(20_000);
    send('temp', 70);
    await bench.clock.advance(9000);
    expect(bench.states()).toEqual(['temp hi: unacknowledged']);
    send('temp', 78);
    await bench.clock.advance(9000);
    send('temp', 70);
    await bench.clock.advance(10_000);
    expect(bench.states()).toEqual([]);
  });

  it('is suppressed by design while its expression certainly holds, also over a restart', async () => {
    await start({
      flow: { alarms: { lo: { at: 1, side: 'low', suppress: 'running == false' } } },
      running: { as: 'bool' },
    });
    send('flow', 0);
    expect(bench.states()).toEqual(['flow lo: unacknowledged']);
    send('running', false);
    expect(bench.states()).toEqual(['flow lo: suppressed']);
    await bench.events();
    await bench.end();
    await bench.begin();
    send('flow', 0);
    expect(bench.states()).toEqual(['flow lo: suppressed']);
    bench.sendBad('pump', 'running');
    expect(bench.states()).toEqual(['flow lo: unacknowledged']);
    send('running', false);
    send('flow', 5);
    send('running', true);
    expect(bench.states()).toEqual([]);
  });

  it('is marked when it is the first of its group, until all of the group are normal', async () => {
    const group = { group: 'trip', at: 1 };
    await start({
      a: { alarms: { x: group } },
      b: { alarms: { x: group } },
      c: { alarms: { x: { at: 1 } } },
    });
    const first = () => bench.register.list().flatMap(({ point, isFirst }) => (isFirst ? [point] : []));
    send('c', 5);
    send('b', 5);
    send('a', 5);
    expect(first()).toEqual(['b']);
    send('b', 0);
    await bench.ask('pump', 'b', 'x', { action: 'acknowledge' });
    expect(first()).toEqual([]);
    send('b', 5);
    expect(first()).toEqual([]);
    for (const point of ['a', 'b']) {
      send(point, 0);
      await bench.ask('pump', point, 'x', { action: 'acknowledge' });
    }
    send('a', 5);
    send('b', 5);
    expect(first()).toEqual(['a']);
    const told = (await bench.events())
      .filter(({ data }) => data?.isFirst === true)
      .map(({ point }) => point);
    expect([...new Set(told)]).toEqual(['b', 'a']);
  });
});
