import { describe, expect, it } from 'vitest';
import { InvalidInputError } from '../errors.ts';
import { resolveSite } from './resolve-site.ts';

const METER = `type: meter@1
driver: modbus
scans: { fast: 1s, slow: 60s }
defaults: { scan: fast, base: 1 }
merge: { avoid: [[40, 47]] }
points:
  voltage: { at: 1, as: float32, unit: V }
  energy: { at: 73, as: uint64, scan: slow, order: CDAB }
  breaker: { table: coil, at: 3, as: bool }
`;
const SENSOR = `type: sensor@2
driver: mqtt
points:
  temperature: { topic: hall/state, pick: $.t, as: float64, unit: Cel }
`;

const resolve = (site: string, ...types: string[]) =>
  resolveSite({
    site: { name: 'site.yaml', text: site },
    types: types.map((text, n) => ({ name: `t${n + 1}.yaml`, text })),
    variables: { HOST: '10.0.4.7' },
  });

function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof InvalidInputError) return error.message;
    throw error;
  }
  return 'nothing was thrown';
}

const modbus = (points: string, head = '') =>
  `- id: m\n  driver: modbus\n  connect: { tcp: "h:502" }\n${head}  points:\n    ${points}`;

describe('a site', () => {
  it('merges a type and an instance into a device with everything filled in', () => {
    const [device] = resolve(
      '- id: meter-7\n  name: Main meter\n  type: meter@1\n  connect: { tcp: "${HOST}:502", unit: 7 }',
      METER,
    );
    expect(device).toEqual({
      id: 'meter-7',
      name: 'Main meter',
      type: 'meter@1',
      driver: 'modbus',
      connect: { tcp: '10.0.4.7:502', unit: 7, timeout: 1000 },
      scans: { fast: { every: 1000, phase: 0, jitter: 0 }, slow: { every: 60_000, phase: 0, jitter: 0 } },
      defaults: { table: 'holding', order: 'ABCD', base: 0, scan: 'fast' },
      merge: { maxGap: 8, maxRegisters: 120, avoid: [[39, 46]] },
      points: {
        voltage: { at: 0, as: 'float32', unit: 'V', table: 'holding', order: 'ABCD', scan: 'fast' },
        energy: { at: 72, as: 'uint64', table: 'holding', order: 'CDAB', scan: 'slow' },
        breaker: { at: 2, as: 'bool', table: 'coil', order: 'ABCD', scan: 'fast' },
      },
    });
  });

  it('reads several types from one file', () => {
    const devices = resolve(
      '- { id: a, type: meter@1, connect: { rtuOverTcp: "h:1" } }\n- { id: b, type: sensor@2, connect: { broker: local } }',
      `${METER}---\n${SENSOR}---\n`,
    );
    expect(devices.map((device) => device.driver)).toEqual(['modbus', 'mqtt']);
  });

  it('gives a modbus device without scan groups one of a second', () => {
    expect(resolve(modbus('p: { at: 0, as: int16 }'))).toMatchObject([
      { scans: { default: { every: 1000, phase: 0, jitter: 0 } }, points: { p: { scan: 'default' } } },
    ]);
  });

  it('uses the only scan group where none is named', () => {
    expect(resolve(modbus('p: { at: 0, as: int16 }', '  scans: { often: 100ms }\n'))).toMatchObject([
      { points: { p: { scan: 'often' } } },
    ]);
  });

  it('describes the machine itself without any connection', () => {
    expect(resolve('- { id: box, driver: host, points: { load: { metric: cpu.load } } }')).toMatchObject([
      { id: 'box', connect: { every: 1000, disk: '/' } },
    ]);
  });

  it('may have no devices', () => {
    expect(resolve('[]', METER)).toEqual([]);
  });

  it.each<[why: string, site: string, message: string]>([
    ['nothing', '# later\n', 'site.yaml:1:1: is empty; write [] for no devices'],
    ['a map', 'id: a', 'site.yaml:1:1: must be a list; got a map'],
    ['text', '- hello', 'site.yaml:1:3: [0]: must be a map of "key: value"; got "hello"'],
    [
      'neither type nor driver',
      '- id: a',
      'site.yaml:1:3: a: needs a "type", or a "driver" and points of its own',
    ],
    [
      'a type and a driver',
      '- id: a\n  type: meter@1\n  driver: host',
      'site.yaml:3:3: a.driver: is given next to "type"; a device has either a type, or a driver and points of its own',
    ],
    [
      'an unknown driver',
      '- id: a\n  driver: modbuss',
      'site.yaml:2:11: a.driver: must be one of "modbus", "opcua", "mqtt", "sparkplug", "package", "host"; got "modbuss"; did you mean "modbus"?',
    ],
    [
      'an unknown type',
      '- id: a\n  type: metre@1',
      'site.yaml:2:9: a.type: no type file describes "metre@1"; did you mean "meter@1"?',
    ],
    [
      'another revision of a type',
      '- id: a\n  type: meter@2',
      'site.yaml:2:9: a.type: no type file describes "meter@2"; did you mean "meter@1"?',
    ],
    [
      'a wrong id',
      '- id: Pump 1\n  type: meter@1',
      'site.yaml:1:7: Pump 1.id: must be 1–64 lower-case letters, digits or inner hyphens, such as "pump-1"; got "Pump 1"',
    ],
    [
      'no id',
      '- type: sensor@2\n  connect: { broker: local }',
      'site.yaml:1:3: [0].id: is missing; it must be text (in quotes when it looks like a number)',
    ],
    [
      'points of its own next to a type',
      '- id: a\n  type: sensor@2\n  connect: { broker: local }\n  points: { x: { topic: a } }',
      'site.yaml:4:16: a.points.x: needs "compute": all other points are those of the type',
    ],
    [
      'a connection of another driver',
      '- id: a\n  type: sensor@2\n  connect: { tcp: "h:1" }',
      'site.yaml:3:12: a.connect.broker: is missing; it must be "local", or must be text (in quotes when it looks like a number)\nsite.yaml:3:14: a.connect.tcp: unknown key; did you mean "tls"?',
    ],
    [
      'a misspelt connection',
      '- id: a\n  type: meter@1\n  connect: { tcp: "h:1", unti: 7 }',
      'site.yaml:3:26: a.connect.unti: unknown key; did you mean "unit"?',
    ],
    [
      'two ways to connect',
      '- id: a\n  type: meter@1\n  connect: { tcp: "h:1", rtuOverTcp: "h:2" }',
      'site.yaml:3:12: a.connect: needs exactly one of "tcp", "rtuOverTcp", "asciiOverTcp" and "serial"',
    ],
    [
      'an impossible port',
      '- id: a\n  type: meter@1\n  connect: { tcp: "h:70000" }',
      'site.yaml:3:19: a.connect.tcp: the port must be 1–65535; got "h:70000"',
    ],
    [
      'no port',
      '- id: a\n  type: meter@1\n  connect: { tcp: "h" }',
      'site.yaml:3:19: a.connect.tcp: must be "host:port", such as "10.0.4.7:502"; got "h"',
    ],
    [
      'half of a security setting',
      '- id: a\n  driver: opcua\n  connect: { url: "opc.tcp://h:1", security: Basic256Sha256 }\n  points: { p: { node: "i=1", as: bool } }',
      'site.yaml:3:12: a.connect: needs "security" and "mode" together: both set, or neither',
    ],
    [
      'the same id twice',
      '- { id: a, type: sensor@2, connect: { broker: local } }\n- { id: a, type: sensor@2, connect: { broker: local } }',
      'site.yaml:2:9: a.id: another device has this id on line 1',
    ],
  ])('with %s is refused', (_why, site, message) => {
    expect(messageOf(() => resolve(site, METER, SENSOR))).toBe(message);
  });

  it.each<[why: string, points: string, message: string]>([
    [
      'given twice',
      'p: { at: 0, as: int16 }\n    p: { at: 1, as: int16 }',
      'site.yaml:6:5: [0].points.p: is given twice; first on line 5',
    ],
    [
      'with an unknown encoding',
      'p: { at: 0, as: int61 }',
      'site.yaml:5:21: m.points.p.as: must be one of "bool", "text", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64", "bcd16", "bcd32", "bcd64"; got "int61"; did you mean "int64"?',
    ],
    [
      'with an unknown unit',
      'p: { at: 0, as: int16, unit: kWh }',
      'site.yaml:5:34: m.points.p.unit: "kWh" is not a UCUM unit; did you mean "kW.h"?',
    ],
    [
      'with a misspelt key',
      'p: { at: 0, as: int16, sacle: 2 }',
      'site.yaml:5:28: m.points.p.sacle: unknown key; did you mean "scale"?',
    ],
    [
      'with a misspelt key deep inside',
      'p: { at: 0, as: int16, write: { confirm: { readbak: 1s } } }',
      'site.yaml:5:48: m.points.p.write.confirm.readbak: unknown key; did you mean "readback"?',
    ],
    [
      'with a name no topic can carry',
      'a/b: { at: 0, as: int16 }',
      'site.yaml:5:5: m.points.a/b: the name must be 1–128 letters, digits, "_", or inner "." and "-"',
    ],
    [
      'beyond the last address',
      'p: { at: 65534, as: float64 }',
      'site.yaml:5:14: m.points.p.at: 4 registers from 65534 end beyond the last register, 65535',
    ],
    [
      'at an impossible address',
      'p: { at: 65536, as: int16 }',
      'site.yaml:5:14: m.points.p.at: must be at most 65535; got 65536',
    ],
    [
      'that is a text of unknown length',
      'p: { at: 0, as: text }',
      'site.yaml:5:21: m.points.p.as: a text needs a "length" in registers',
    ],
    [
      'with a length that is no text',
      'p: { at: 0, as: int16, length: 2 }',
      'site.yaml:5:36: m.points.p.length: is only for as: text',
    ],
    [
      'with a scale that is no number',
      'p: { at: 0, as: bool, scale: 2 }',
      'site.yaml:5:34: m.points.p.scale: has no meaning for as: bool',
    ],
    [
      'that scales by nothing',
      'p: { at: 0, as: int16, scale: 0 }',
      'site.yaml:5:35: m.points.p.scale: must not be 0',
    ],
    [
      'in a table of bits that is no bit',
      'p: { table: coil, at: 0, as: int16 }',
      'site.yaml:5:34: m.points.p.as: must be "bool" in table "coil"; got "int16"',
    ],
    [
      'written in a table that can only be read',
      'p: { table: input, at: 0, as: int16, write: {} }',
      'site.yaml:5:49: m.points.p.write: table "input" can only be read',
    ],
    [
      'written in a range upside down',
      'p: { at: 0, as: int16, write: { range: [9, 1] } }',
      'site.yaml:5:44: m.points.p.write.range: the lower end comes first',
    ],
    [
      'of an unknown scan',
      'p: { at: 0, as: int16, scan: fats }',
      'site.yaml:5:34: m.points.p.scan: there is no scan "fats"; "scans" names none',
    ],
    [
      'with an alarm that could never clear',
      'p: { at: 0, as: int16, alarms: { hi: { at: 5, off: 6, side: high } } }',
      'site.yaml:5:56: m.points.p.alarms.hi.off: must be at most "at" (5) for a high alarm; got 6',
    ],
  ])('with a modbus point %s is refused', (_why, points, message) => {
    expect(messageOf(() => resolve(modbus(points)))).toBe(message);
  });

  it.each<[why: string, head: string, points: string, message: string]>([
    [
      'no scan for a point among several',
      'scans: { a: 1s, b: 2s }',
      'p: { at: 0, as: int16 }',
      'site.yaml:6:8: m.points.p: needs a "scan" (a, b), or "defaults" needs one',
    ],
    [
      'a misspelt scan',
      'scans: { fast: 1s, slow: 2s }',
      'p: { at: 0, as: int16, scan: fats }',
      'site.yaml:6:34: m.points.p.scan: there is no scan "fats"; did you mean "fast"?',
    ],
    [
      'a default scan that is none',
      'defaults: { scan: slow }',
      'p: { at: 0, as: int16 }',
      'site.yaml:4:21: m.defaults.scan: there is no scan "slow"; "scans" names none',
    ],
    [
      'an address before the first',
      'defaults: { base: 1 }',
      'p: { at: 0, as: int16 }',
      'site.yaml:6:14: m.points.p.at: addresses start at 1 here (base: 1); got 0',
    ],
    [
      'a point among forbidden addresses',
      'merge: { avoid: [[4, 7]] }',
      'p: { at: 3, as: int32 }',
      'site.yaml:6:14: m.points.p.at: lies in 4–7, which merge.avoid forbids to read',
    ],
    [
      'a forbidden range upside down',
      'merge: { avoid: [[7, 4]] }',
      'p: { at: 3, as: int32 }',
      'site.yaml:4:20: m.merge.avoid[0]: the lower address comes first',
    ],
    [
      'a value larger than a request',
      'merge: { maxRegisters: 2 }',
      'p: { at: 3, as: int64 }',
      'site.yaml:6:21: m.points.p.as: takes 4 registers, but merge.maxRegisters allows 2 in one request',
    ],
    [
      'a scan faster than any device',
      'scans: { a: 1ms }',
      'p: { at: 3, as: int16 }',
      'site.yaml:4:15: m.scans.a: must be at least 10ms',
    ],
  ])('with %s is refused', (_why, head, points, message) => {
    expect(messageOf(() => resolve(modbus(points, `  ${head}\n`)))).toBe(message);
  });

  it('with a writable mqtt point needs a topic for the write', () => {
    const site =
      '- id: v\n  driver: mqtt\n  connect: { broker: local }\n  points:\n    open: { topic: v/open, as: bool, write: {} }';
    expect(messageOf(() => resolve(site))).toBe(
      'site.yaml:5:45: v.points.open.write: needs a "command" that says on which topic a write is published',
    );
  });

  it('says what the "~" of its topics stands for', () => {
    const type = SENSOR.replace('hall/state', '~/state');
    expect(messageOf(() => resolve('- { id: a, type: sensor@2, connect: { broker: local } }', type))).toBe(
      'site.yaml:1:37: a.connect: needs a "base", which the "~" of topic "~/state" stands for',
    );
    expect(resolve('- { id: a, type: sensor@2, connect: { broker: local, base: hall } }', type)).toHaveLength(
      1,
    );
  });

  it('publishes a write on one topic, not on a pattern', () => {
    const site =
      '- id: v\n  driver: mqtt\n  connect: { broker: local }\n  points:\n    open: { topic: v/open, as: bool, write: {}, command: { topic: v/+/set } }';
    expect(messageOf(() => resolve(site))).toBe(
      'site.yaml:5:67: v.points.open.command.topic: must be a topic without wildcards; got "v/+/set"',
    );
  });

  it('cannot write to the machine itself, and needs points', () => {
    const site =
      '- id: box\n  driver: host\n  points: { load: { metric: cpu.load, write: {} } }\n- { id: nil, driver: host, points: {} }';
    expect(messageOf(() => resolve(site))).toBe(
      'site.yaml:3:46: box.points.load.write: the machine itself can only be read\nsite.yaml:4:36: nil.points: has no points',
    );
  });

  it('is not blamed for a broken type, which is told once', () => {
    const broken = METER.replace('as: float32', 'as: float23');
    const site =
      '- { id: a, type: meter@1, connect: { tcp: "h:1" } }\n- { id: b, type: meter@1, connect: { tcp: "h:2" } }';
    expect(messageOf(() => resolve(site, broken))).toBe(
      't1.yaml:7:25: meter@1.points.voltage.as: must be one of "bool", "text", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64", "bcd16", "bcd32", "bcd64"; got "float23"; did you mean "float32"?',
    );
  });

  it('names both places of a type described twice', () => {
    expect(messageOf(() => resolve('[]', SENSOR, METER, SENSOR))).toBe(
      't3.yaml:1:7: sensor@2: is described already in t1.yaml:1',
    );
  });

  it('tells the problems of every file in one go', () => {
    const site = '- id: a\n  type: sensor@2\n  connect: { broker: nowhere }';
    expect(messageOf(() => resolve(site, SENSOR, METER.replace('slow,', 'slwo,'))).split('\n')).toEqual([
      't2.yaml:8:39: meter@1.points.energy.scan: there is no scan "slwo"; did you mean "slow"?',
      'site.yaml:3:22: a.connect.broker: must be "local" or an mqtt:// or mqtts:// URL; got "nowhere"',
    ]);
  });
});
