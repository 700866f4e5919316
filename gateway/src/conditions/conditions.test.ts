import {
  type DeviceSlug,
  type DeviceSpec,
  InlineDevice,
  type PointId,
  PointNo,
  type Sample,
} from '@millwright/protocol';
import { describe, expect, it } from 'vitest';
import { conditionCompiler } from './compile.ts';

const device = (id: string, points: Record<string, object>): DeviceSpec =>
  InlineDevice.parse({
    id,
    driver: 'mqtt',
    connect: { broker: 'local' },
    points: Object.fromEntries(
      Object.entries(points).map(([point, more]) => [
        point,
        { topic: `${id}/${point}`, as: 'float64', ...more },
      ]),
    ),
  });
const PUMP = device('pump', { temp: {}, on: { as: 'bool' } });
const TANK = device('tank', { level: {} });

function compile(text: string, inputs: Record<string, string>, samples: Record<string, Partial<Sample>>) {
  const names = ['temp', 'on', 'level'];
  const no = (name: string) => [name as PointId, PointNo.parse(names.indexOf(name))] as const;
  const devices = new Map([
    ['pump' as DeviceSlug, { spec: PUMP, numbers: new Map([no('temp'), no('on')]) }],
    ['tank' as DeviceSlug, { spec: TANK, numbers: new Map([no('level')]) }],
  ]);
  const find = (at: PointNo) => samples[names[at] ?? ''];
  return conditionCompiler(devices, {
    sample: (at) => {
      const sample = find(at);
      return sample === undefined ? undefined : { v: null, q: 'good', tSource: 0, tGateway: 0, ...sample };
    },
    ageMs: (at) => (find(at) === undefined ? Number.POSITIVE_INFINITY : 5000),
  })(text, { spec: PUMP, inputs });
}

describe('a condition', () => {
  it.each<[text: string, samples: Record<string, Partial<Sample>>, verdict: object]>([
    ['temp < 50 && on', { temp: { v: 20 }, on: { v: true } }, { holds: true, isCertain: true }],
    ['temp < 50 && on', { temp: { v: 90 }, on: { v: true } }, { holds: false, isCertain: true }],
    ['temp < 50', {}, { isCertain: false, why: 'temp is bad: not-yet-read' }],
    [
      'temp < 50',
      { temp: { v: null, q: 'bad', why: 'timeout' } },
      { isCertain: false, why: 'temp is bad: timeout' },
    ],
    [
      'temp < 50',
      { temp: { v: 20, q: 'uncertain', why: 'stale' } },
      { isCertain: false, why: 'temp is uncertain: stale' },
    ],
    ['on || temp < 50', { on: { v: true }, temp: { v: null, q: 'bad' } }, { holds: true, isCertain: true }],
    ['full > 80', { level: { v: 90 } }, { holds: true, isCertain: true }],
    ['age.temp > 4', { temp: { v: 20 } }, { holds: true, isCertain: true }],
  ])('%s', (text, samples, verdict) => {
    expect(compile(text, { full: 'tank/level' }, samples).judge()).toMatchObject(verdict);
  });

  it('names the points that can change it', () => {
    const condition = compile('full > 80 || age.temp > 4', { full: 'tank/level' }, {});
    expect([...condition.reads].sort()).toEqual([0, 2]);
    expect(condition.readsAge).toBe(true);
    expect(condition.isRead()).toBe(false);
  });
});
