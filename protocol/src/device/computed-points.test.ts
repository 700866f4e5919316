import { describe, expect, it } from 'vitest';
import { InvalidInputError } from '../errors.ts';
import { Expression } from '../expression/expression.ts';
import { hasExpressions } from './expressions.ts';
import { resolveSite } from './resolve-site.ts';

const METER = `type: meter@1
driver: modbus
defaults: { report: { deadband: 0.5, heartbeat: 5m }, stale: 1m }
points:
  power_a: { at: 0, as: float32, unit: kW }
  power_b: { at: 2, as: float32, unit: kW, report: { swing: 0.1 } }
  on: { table: coil, at: 0, as: bool, stale: 5s }
  power: { compute: power_a + power_b, unit: kW, label: Power }
  busy: { compute: "on && power > 10", as: bool }
`;

const resolve = (site: string, ...types: string[]) =>
  resolveSite({
    site: { name: 'site.yaml', text: site },
    types: types.map((text, i) => ({ name: `t${i + 1}.yaml`, text })),
    expressions: Expression,
  });

function messageOf(site: string, ...types: string[]): string {
  try {
    resolve(site, ...types);
  } catch (error) {
    if (error instanceof InvalidInputError) return error.message;
    throw error;
  }
  return 'nothing is wrong';
}

const inline = (points: string) =>
  `- id: m\n  driver: modbus\n  connect: { tcp: "h:1" }\n  points:\n    a: { at: 0, as: uint16 }\n${points}`;

describe('a computed point', () => {
  it('stands apart from those the driver reads', () => {
    const [spec] = resolve('- { id: m, type: meter@1, connect: { tcp: "h:1" } }', METER);
    expect(Object.keys(spec?.points ?? {})).toEqual(['power_a', 'power_b', 'on']);
    expect(spec?.computed).toMatchObject({
      power: { compute: 'power_a + power_b', as: 'float64', unit: 'kW', label: 'Power' },
      busy: { as: 'bool' },
    });
    expect(hasExpressions(spec === undefined ? [] : [spec])).toBe(true);
  });

  it('may be added to those of the type', () => {
    const site =
      '- id: m\n  type: meter@1\n  connect: { tcp: "h:1" }\n  points: { double: { compute: power * 2 } }';
    const [spec] = resolve(site, METER);
    expect(Object.keys(spec?.computed ?? {})).toEqual(['power', 'busy', 'double']);
  });

  it('may rest on points of other devices', () => {
    const two =
      '- { id: m, type: meter@1, connect: { tcp: "h:1" } }\n' +
      '- id: n\n  type: meter@1\n  connect: { tcp: "h:2" }\n' +
      '  points: { total: { compute: power + other, inputs: { other: m/power } } }';
    expect(resolve(two, METER)[1]?.computed).toMatchObject({ total: { inputs: { other: 'm/power' } } });
  });

  it('may use the elements of an array', () => {
    const [spec] = resolve(
      inline(
        '    cell: { at: 10, as: uint16, count: 3, label: Cell }\n    mean: { compute: (cell_0 + cell_1 + cell_2) / 3 }',
      ),
    );
    expect(spec?.points).toMatchObject({ cell_0: { at: 10, label: 'Cell 0' }, cell_2: { at: 12 } });
    expect(spec?.points).not.toHaveProperty('cell');
  });

  it.each([
    [
      'an unknown name',
      '    b: { compute: a + bb }',
      'site.yaml:6:23: m.points.b.compute: does not know "bb"',
    ],
    [
      'an unknown name in quotes',
      '    b: { compute: "a + aa" }',
      'site.yaml:6:24: m.points.b.compute: does not know "aa"; did you mean "a"?',
    ],
    [
      'a fault in its words',
      '    b: { compute: "a +" }',
      'site.yaml:6:23: m.points.b.compute: unexpected token: EOF',
    ],
    [
      'a result of another type',
      '    b: { compute: a > 1 }',
      'site.yaml:6:19: m.points.b.compute: yields true or false, but must yield a number',
    ],
    ['itself as input', '    b: { compute: b + 1 }', 'site.yaml:6:19: m.points.b.compute: rests on itself'],
    [
      'a circle',
      '    b: { compute: a + c }\n    c: { compute: d }\n    d: { compute: b }',
      'site.yaml:6:19: m.points.b.compute: rests on itself: b → c → d → b',
    ],
    [
      'a device there is not',
      '    b: { compute: x, inputs: { x: n/a } }',
      'site.yaml:6:35: m.points.b.inputs.x: there is no device "n"',
    ],
    [
      'a point there is not',
      '    b: { compute: x, inputs: { x: m/aa } }',
      'site.yaml:6:35: m.points.b.inputs.x: "m" has no point "aa"; did you mean "a"?',
    ],
    [
      'a circle by way of another name',
      '    b: { compute: x, inputs: { x: m/b } }',
      'site.yaml:6:19: m.points.b.compute: rests on itself',
    ],
    [
      'a display unit that measures something else',
      '    b: { compute: a, unit: kW, display: degF }',
      'site.yaml:6:41: m.points.b.display: cannot show "kW" as "degF"',
    ],
    [
      'an unknown key',
      '    b: { compute: a, lable: x }',
      'site.yaml:6:22: m.points.b.lable: unknown key; did you mean "label"?',
    ],
    ['a bad name', '    .b: { compute: a }', 'site.yaml:6:5: m.points..b: the name must be'],
    [
      'the name of an element',
      '    c: { at: 9, as: uint16, count: 2 }\n    c_1: { compute: a }',
      'site.yaml:7:10: m.points.c_1: another point of the device has this name',
    ],
  ])('with %s is refused', (_, points, message) => {
    expect(messageOf(inline(points))).toContain(message);
  });

  it('is refused where its type is written, once for all devices', () => {
    const broken = METER.replace('power_a + power_b', 'power_a + power_c');
    const site =
      '- { id: a, type: meter@1, connect: { tcp: "h:1" } }\n- { id: b, type: meter@1, connect: { tcp: "h:2" } }';
    expect(messageOf(site, broken)).toBe(
      't1.yaml:8:31: meter@1.points.power.compute: does not know "power_c"; did you mean "power_a"?',
    );
  });

  it('is the only kind a device can add to its type', () => {
    const site =
      '- id: m\n  type: meter@1\n  connect: { tcp: "h:1" }\n  points: { x: { at: 5, as: uint16 } }';
    expect(messageOf(site, METER)).toBe(
      'site.yaml:4:16: m.points.x: needs "compute": all other points are those of the type',
    );
  });

  it('points at the character inside a condition of an alarm or interlock too', () => {
    const alarm = '    b: { at: 1, as: uint16, alarms: { x: { when: "a > 1 && q" } } }';
    expect(messageOf(inline(alarm))).toContain('site.yaml:6:60: m.points.b.alarms.x.when: does not know "q"');
    const lock = '    b:\n      at: 1\n      as: uint16\n      write: { interlock: a > zz }';
    expect(messageOf(inline(lock))).toContain(
      'site.yaml:9:31: m.points.b.write.interlock: does not know "zz"',
    );
  });
});

describe('defaults', () => {
  it('of a type fill in what its points do not say, those of a device go first', () => {
    const site =
      '- { id: m, type: meter@1, connect: { tcp: "h:1" } }\n' +
      '- { id: n, type: meter@1, connect: { tcp: "h:2" }, defaults: { report: { deadband: 5% }, stale: 9m } }';
    const [m, n] = resolve(site, METER);
    expect(m?.points).toMatchObject({
      power_a: { report: { deadband: 0.5, heartbeat: 300_000 }, stale: 60_000 },
      power_b: { report: { swing: 0.1, heartbeat: 300_000 } },
      on: { stale: 5000 },
    });
    expect(m?.computed).toMatchObject({ power: { report: { deadband: 0.5 }, stale: 60_000 } });
    expect(n?.points).toMatchObject({
      power_a: { report: { relativeDeadband: 0.05, heartbeat: 300_000 }, stale: 540_000 },
      on: { stale: 5000 },
    });
    expect(Object.values(n?.points ?? {})[0]?.report).not.toHaveProperty('deadband');
  });
});
