import { describe, expect, it } from 'vitest';
import { ModbusPoint, ModbusType } from './drivers/modbus.ts';
import { Report } from './report.ts';
import { resolveSite } from './resolve-site.ts';
import { Scan } from './scan.ts';

describe('report', () => {
  it.each([
    [{ deadband: 0.5 }, { deadband: 0.5 }],
    [{ deadband: '2%' }, { relativeDeadband: 0.02 }],
    [{ deadband: '0.5 %', range: [-50, 150] }, { deadband: 1 }],
    [
      { swing: 0.1, heartbeat: '5m' },
      { swing: 0.1, heartbeat: 300_000 },
    ],
    [{ swing: '1%', range: [0, 400] }, { swing: 4 }],
    [{}, {}],
  ])('%j is %j', (written, parsed) => {
    expect(Report.parse(written)).toEqual(parsed);
  });

  it.each([
    [{ deadband: 1, swing: 1 }, 'given next to "deadband"'],
    [{ swing: '1%' }, 'needs a "range"'],
    [{ deadband: '1' }, 'is not a percentage'],
    [{ deadband: '101%' }, 'is not a percentage'],
    [{ deadband: -1 }, '>=0'],
    [{ deadband: '1%', range: [5, 5] }, 'the lower end comes first'],
  ])('%j is refused', (written, message) => {
    const result = Report.safeParse(written);
    expect(JSON.stringify(result.error?.issues)).toContain(message.replaceAll('"', '\\"'));
  });
});

describe('a scan', () => {
  it.each([
    ['1s', { every: 1000, phase: 0, jitter: 0 }],
    [{ every: '1m' }, { every: 60_000, phase: 0, jitter: 0 }],
    [
      { every: '1s', phase: '200ms', jitter: '5%' },
      { every: 1000, phase: 200, jitter: 0.05 },
    ],
  ])('%j is %j', (written, parsed) => {
    expect(Scan.parse(written)).toEqual(parsed);
  });

  it.each([[{ every: '1s', jitter: '60%' }], [{ phase: '1s' }], ['fast'], [{ every: '1s', phse: '1s' }]])(
    '%j is refused',
    (written) => {
      expect(Scan.safeParse(written).success).toBe(false);
    },
  );
});

describe('a modbus point', () => {
  const messages = (points: string, more = '') => {
    const text = `- id: m\n  driver: modbus\n  connect: { tcp: "h:1" }\n${more}  points:\n    p: ${points}\n`;
    try {
      resolveSite({ site: { name: 's', text }, types: [] });
    } catch (error) {
      return error instanceof Error ? error.message : '';
    }
    return 'nothing is wrong';
  };

  it.each([
    ['{ at: 0, as: uint16, bits: [4, 20] }', 's:5:35: m.points.p.bits: uint16 ends at bit 15; got 20'],
    ['{ at: 0, as: uint16, bits: [9, 4] }', 'm.points.p.bits: the lower bit comes first'],
    ['{ at: 0, as: float32, bits: [0, 4] }', 'is only for integers up to 32 bits'],
    ['{ at: 0, as: uint16, bit: 3 }', 'm.points.p.bit: is only for as: bool'],
    ['{ at: 0, as: uint16, mask: 0x1ffff }', 'm.points.p.mask: is too large for uint16'],
    ['{ at: 0, as: int16, mask: 0xff }', 'is only for unsigned integers'],
    ['{ at: 0, as: uint16, mask: 0xff, bits: [0, 7] }', 'is given next to "bits"'],
    ['{ at: 0, as: uint16, byte: hi }', 'is only for as: int8 and uint8'],
    ['{ at: 0, as: uint8, write: {} }', 'the rest of it would be overwritten'],
    ['{ at: 0, as: bool, bit: 2, write: {} }', 'the rest of it would be overwritten'],
    ['{ at: 0, as: uint16, trim: both }', 'is only for as: text'],
    ['{ at: 0, as: text, length: 2, count: 2 }', 'has no meaning for as: text'],
    ['{ at: 0, as: text, length: 2, invalid: 0 }', 'has no meaning for as: text'],
    ['{ at: 0, as: uint32, order: BA }', '"BA" spells 2 bytes, but uint32 has 4'],
    ['{ at: 0, as: uint32, order: ABCA }', 'must name each byte once'],
    [
      '{ at: 0, as: uint32, count: 3, step: 1 }',
      'one element takes 2 registers, but the next begins after 1',
    ],
    ['{ at: 65533, as: uint16, count: 4 }', '4 registers from 65533 end beyond'],
    ['{ at: 0, as: uint16, step: 2 }', 'm.points.p.step: needs a "count"'],
    [
      '{ at: 0, as: uint16, count: 2 }\n    p_1: { at: 9, as: uint16 }',
      'makes a point "p_1", but there is one',
    ],
    ['{ at: 0, as: uint16, enum: { true: x } }', 'm.points.p.enum.true: must be a number'],
    ['{ at: 0, as: bool, enum: { 1: x } }', 'm.points.p.enum.1: must be true or false'],
    [
      '{ at: 0, as: uint16, enum: { a: x } }',
      'm.points.p.enum.a: the name must be a whole number, true or false',
    ],
    ['{ at: 0, as: uint16, display: degF }', 'needs a "unit" to convert from'],
    ['{ at: 0, as: uint16, unit: bar, display: nonsense }', 'must be a unit'],
  ])('%s is refused', (points, message) => {
    expect(messages(points)).toContain(message);
  });

  it('is refused in a scan that cannot be', () => {
    const scans = '  scans: { fast: { every: 1s, phase: 1s }, slow: 5ms }\n';
    const told = messages('{ at: 0, as: uint16, scan: fast }', scans);
    expect(told).toContain('s:4:38: m.scans.fast.phase: must be shorter than "every"');
    expect(told).toContain('m.scans.slow: must be at least 10ms');
  });

  it('may be an array, whose elements need not touch', () => {
    const points = { cell: ModbusPoint.parse({ at: 10, as: 'uint32', count: 3, step: 4 }) };
    expect(ModbusType.merge.parse(undefined).maxGap).toBe(8);
    const text = `[{ id: m, driver: modbus, connect: { tcp: "h:1" }, points: ${JSON.stringify(points)} }]`;
    const [spec] = resolveSite({ site: { name: 's', text }, types: [] });
    expect(Object.values(spec?.points ?? {}).map((point) => 'at' in point && point.at)).toEqual([10, 14, 18]);
  });
});
