import {
  type EventRecord,
  GOOD,
  PointNo,
  type Receipt,
  type Sample,
  SampleBatch,
  UnavailableError,
  type Value,
  type WriteCommand,
} from '@millwright/protocol';
import { type RuleSpec, readRules } from '@millwright/protocol/automation';
import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AlarmRegister } from '../alarms/alarm-register.ts';
import type { Kv } from '../journal/kv/kv.ts';
import { MemoryKvFile } from '../journal/kv/memory-kv.ts';
import { RuleLane } from './rule-lane.ts';

const HOT =
  'rule: hot\nlabel: The hall is hot\ninputs: { t: hall/t }\nwhen: t > 30\ndo:\n  - alarm: { message: "{t} is hot", priority: high }\n  - write: { point: fan/speed, value: 80 }\n  - publish: { topic: site/hot, payload: "{t}" }\n  - review: { title: Look at it, detail: "{t}" }\n';

const NUMBERS: Readonly<Record<string, number>> = { t: 0, load: 1 };

function rules(...texts: string[]): RuleSpec[] {
  return readRules(texts.map((text, at) => ({ name: `${at}.yaml`, text }))).map(({ spec }) => spec);
}

describe("a gateway's rules", () => {
  let clock: MemoryClock;
  let kv: Kv;
  let lane: RuleLane;
  let alarms: AlarmRegister;
  let done: string[];
  let events: Omit<EventRecord, 'id' | 'atMs'>[];
  let commands: WriteCommand[];
  let answer: (command: WriteCommand) => Promise<Receipt>;
  let samples: Map<number, Sample>;
  let hasBroker: boolean;
  let isBroken: boolean;

  beforeEach(async () => {
    clock = new MemoryClock();
    kv = await new MemoryKvFile().open();
    done = [];
    events = [];
    commands = [];
    samples = new Map();
    hasBroker = true;
    isBroken = false;
    answer = async ({ id }) => ({ id, result: 'done', message: 'it is so', atMs: 0 });
    await open();
  });
  afterEach(async () => {
    await close();
    expect(clock.pendingTimers).toBe(0);
  });

  async function open(): Promise<void> {
    const journal = { appendEvent: async () => ({ epoch: 0, seq: 0 }) };
    alarms = new AlarmRegister({ clock, logger: new MemoryLogger(), journal, kv });
    const entries = Object.entries(NUMBERS).map(([point, no]) => ({
      ...{ no: PointNo.parse(no), device: 'hall', point, kind: 'float64' as const },
    }));
    lane = new RuleLane(
      {
        ...{ clock, logger: new MemoryLogger(), alarms },
        kv: {
          commit: (mutations) => kv.commit(mutations),
          list: async (range, options) => {
            if (isBroken) throw new UnavailableError('KV_IO', 'the disk is broken');
            return kv.list(range, options);
          },
        },
        catalog: { entries: () => entries as never },
        points: { sample: (no) => samples.get(no) },
        events: {
          note: async (type, message, more = {}) => {
            done.push(type);
            events.push({ type, message, ...more });
          },
        },
        command: (command) => {
          done.push('write');
          commands.push(command);
          return answer(command);
        },
        broker: () =>
          hasBroker
            ? {
                publish: async (topic, payload, { retain } = {}) => {
                  done.push(`publish ${topic} ${payload} ${retain}`);
                },
              }
            : undefined,
      },
      { location: { zone: 'UTC' } },
    );
    await alarms.start();
    await lane.start();
  }

  async function close(): Promise<void> {
    await lane.stop();
    await alarms.stop();
  }

  function send(point: string, value: Value, quality = GOOD): Promise<void> {
    const batch = new SampleBatch(1);
    const nowMs = clock.wallMs();
    batch.push(PointNo.parse(NUMBERS[point]), nowMs, nowMs, value, quality);
    lane.accept(batch);
    return clock.advance(0);
  }

  const standing = () =>
    alarms.active().map(({ message, priority, kind }) => `${kind} ${priority} ${message}`);

  it('do one thing after the other', async () => {
    lane.apply(rules(HOT));
    await send('t', 31);
    expect(done).toEqual(['rule.fired', 'write', 'publish site/hot 31 false', 'item.review']);
    expect(standing()).toEqual(['automation high 31 is hot']);
    expect(commands).toMatchObject([
      { device: 'fan', point: 'speed', value: 80, by: { name: 'rule:hot', role: 'operator' } },
    ]);
    expect(events).toMatchObject([
      {
        type: 'rule.fired',
        message: 'rule hot fired: The hall is hot',
        data: { rule: 'hot', 'input.t': 31 },
      },
      { type: 'item.review', message: 'Look at it', data: { rule: 'hot', detail: '31', 'input.t': 31 } },
    ]);
  });

  it('end their alarm when what they watch is over, and not because it cannot be told', async () => {
    lane.apply(rules(HOT));
    await send('t', 31);
    await send('t', null, 2);
    expect(standing()).toHaveLength(1);
    await send('t', 20);
    expect(standing()).toEqual([]);
  });

  it('go on when an action fails, and say so', async () => {
    lane.apply(rules(HOT));
    hasBroker = false;
    answer = async ({ id }) => ({
      id,
      result: 'refused',
      code: 'DEVICE_OFFLINE',
      message: 'fan is offline',
      atMs: 0,
    });
    await send('t', 31);
    expect(done).toEqual(['rule.fired', 'write', 'rule.failed', 'rule.failed', 'item.review']);
    expect(events.filter(({ type }) => type === 'rule.failed').map(({ message }) => message)).toEqual([
      'rule hot: write fan/speed = 80: fan is offline',
      'rule hot: publish site/hot: 31: the MQTT broker does not run',
    ]);
    expect(lane.views()).toMatchObject([
      { id: 'hot', firings: 1, errors: 2, lastError: { message: expect.stringContaining('MQTT broker') } },
    ]);
  });

  it('are not kept from the others by one that hangs', async () => {
    answer = () => new Promise(() => undefined);
    const other =
      'rule: other\ninputs: { t: hall/t }\nwhen: t > 30\ndo: [{ publish: { topic: other, payload: x } }]\n';
    const hanging = HOT.replace(/do:[\s\S]*/, 'do: [{ write: { point: fan/speed, value: 80 } }]\n');
    lane.apply(rules(hanging, other));
    await send('t', 31);
    for (let at = 0; at < 10; at++) {
      await send('t', 20);
      await send('t', 31);
    }
    expect(done.filter((each) => each.startsWith('publish'))).toHaveLength(11);
    expect(commands).toHaveLength(1);
    expect(done.filter((each) => each === 'rule.failed')).toHaveLength(7);
    const stopped = lane.stop();
    await clock.advance(5000);
    await stopped;
  });

  it('come to rest when they set each other off', async () => {
    const on =
      'rule: on\ninputs: { x: hall/load }\nwhen: x < 1\ndo: [{ write: { point: hall/load, value: 1 } }]\n';
    const off =
      'rule: off\ninputs: { x: hall/load }\nwhen: x > 0\ndo: [{ write: { point: hall/load, value: 0 } }]\n';
    answer = async ({ id, value }) => {
      queueMicrotask(() => void send('load', value));
      return { id, result: 'done', message: 'it is so', atMs: 0 };
    };
    lane.apply(rules(on, off));
    await send('load', 0);
    for (let at = 0; at < 500; at++) await clock.advance(0);
    expect(commands.length).toBeGreaterThan(100);
    expect(commands.length).toBeLessThanOrEqual(120);
    expect(events.filter(({ type }) => type === 'rule.limited').length).toBeGreaterThan(0);
  });

  it('know what was measured before they began', async () => {
    samples.set(0, { v: 31, q: 'good', tSource: 0, tGateway: clock.wallMs() - 5000 });
    lane.apply(rules(HOT));
    await clock.advance(0);
    expect(standing()).toEqual(['automation high 31 is hot']);
  });

  it('do not work when they are disabled, and are listed all the same', async () => {
    lane.apply(rules(`${HOT}enabled: false\n`));
    await send('t', 31);
    expect(done).toEqual([]);
    expect(lane.views()).toMatchObject([{ id: 'hot', enabled: false, firings: 0 }]);
  });

  it('take their alarms with them when they go', async () => {
    lane.apply(rules(HOT));
    await send('t', 31);
    lane.apply([]);
    expect(standing()).toEqual([]);
    expect(lane.counts).toEqual({ rules: 0, evaluations: 2, firings: 1, errors: 0 });
  });

  it('do what they have begun before they stop', async () => {
    lane.apply(rules(HOT));
    const batch = new SampleBatch(1);
    batch.pushNumber(PointNo.parse(0), 0, 0, 31);
    lane.accept(batch);
    await lane.stop();
    expect(done).toEqual(['rule.fired', 'write', 'publish site/hot 31 false', 'item.review']);
  });

  it('end an alarm that they raised before they were changed', async () => {
    lane.apply(rules(HOT));
    await send('t', 31);
    lane.apply(rules(HOT.replace('> 30', '> 40')));
    expect(standing()).toHaveLength(1);
    await send('t', 32);
    expect(standing()).toEqual([]);
  });

  describe('after a restart', () => {
    async function restart(awayMs: number, ...texts: string[]): Promise<void> {
      await close();
      clock.jumpWall(awayMs);
      await open();
      done = [];
      lane.apply(rules(...texts));
    }

    it('do not do again what they have done', async () => {
      lane.apply(rules(HOT));
      await send('t', 31);
      await restart(3600_000, HOT);
      await send('t', 32);
      expect(done).toEqual([]);
      expect(standing()).toEqual(['automation high 31 is hot']);
      expect(lane.views()).toMatchObject([{ firings: 1, holds: true }]);
      await send('t', 20);
      expect(standing()).toEqual([]);
    });

    it('rest as long as they were to', async () => {
      const text = `${HOT}cooldown: 10m\n`;
      lane.apply(rules(text));
      await send('t', 31);
      await send('t', 20);
      await restart(5 * 60_000, text);
      await send('t', 31);
      await clock.advance(4 * 60_000);
      expect(done).toEqual([]);
      await clock.advance(60_000);
      expect(done).toContain('write');
    });

    it.each<[what: string, awayMs: number, dueMs: number]>([
      ['count on when the gateway was away for a moment', 20_000, 30_000],
      ['count anew when it was away for long', 3600_000, 120_000],
    ])('%s', async (_, awayMs, dueMs) => {
      const text = `${HOT}for: 2m\n`;
      lane.apply(rules(text));
      await send('t', 31);
      await clock.advance(70_000);
      await restart(awayMs, text);
      await send('t', 31);
      await clock.advance(dueMs - 1000);
      expect(done).toEqual([]);
      await clock.advance(1000);
      expect(done).toContain('write');
    });

    it('begin anew when they say something else', async () => {
      lane.apply(rules(HOT));
      await send('t', 31);
      await restart(1000, HOT.replace('30', '25'));
      await send('t', 31);
      expect(done).toContain('write');
    });

    it('forget rules that are gone', async () => {
      lane.apply(rules(HOT));
      await send('t', 31);
      await clock.advance(2000);
      lane.apply([]);
      await clock.advance(2000);
      expect(await kv.list({ prefix: ['rule'] }, { limit: 10 })).toEqual([]);
    });

    it('begin anew when it cannot be read where they stood', async () => {
      lane.apply(rules(HOT));
      await send('t', 31);
      isBroken = true;
      await restart(1000, HOT);
      await send('t', 31);
      expect(done).toContain('write');
    });
  });
});
