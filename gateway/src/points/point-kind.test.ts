import { InlineDevice } from '@millwright/protocol';
import { describe, expect, it } from 'vitest';
import { wishesOf } from './point-kind.ts';

describe('what a point is catalogued as', () => {
  const kindsOf = (device: Record<string, unknown>) =>
    Object.fromEntries(
      [...wishesOf(InlineDevice.parse({ id: 'd', ...device }))].map(([id, wish]) => [id, wish.kind]),
    );

  it('follows the encoding of a register, its table and its scale', () => {
    const points = {
      word: { at: 0, as: 'uint16' },
      large: { at: 1, as: 'uint64' },
      energy: { at: 5, as: 'uint64', scale: 0.001 },
      coil: { table: 'coil', at: 0, as: 'bool' },
      name: { at: 10, as: 'text', length: 4 },
      flag: { at: 20, as: 'bool' },
    };
    expect(kindsOf({ driver: 'modbus', connect: { tcp: '10.0.0.1:502' }, points })).toEqual({
      word: 'float64',
      large: 'uint64',
      energy: 'float64',
      coil: 'bool',
      name: 'text',
      flag: 'bool',
    });
  });

  it('follows what OPC UA and MQTT points are read as; numbers of the machine are doubles', () => {
    const url = 'opc.tcp://10.0.0.1:4840';
    const node = 'ns=1;s=T';
    const opcua = { driver: 'opcua', connect: { url }, points: { a: { node, as: 'int64' } } };
    expect(kindsOf(opcua)).toEqual({ a: 'int64' });
    const mqtt = { a: { topic: 'a', as: 'int64' }, b: { topic: 'b', as: 'int64', scale: 0.1 } };
    expect(kindsOf({ driver: 'mqtt', connect: { broker: 'local' }, points: mqtt })).toEqual({
      a: 'int64',
      b: 'float64',
    });
    expect(kindsOf({ driver: 'host', points: { a: { metric: 'uptime' } } })).toEqual({ a: 'float64' });
  });

  it('carries unit, label, class and range into the catalogue', () => {
    const point = {
      at: 0,
      as: 'uint16',
      unit: 'kW',
      label: 'Limit',
      class: 'measurement',
      write: { range: [0, 9] },
    };
    const spec = InlineDevice.parse({
      id: 'd',
      driver: 'modbus',
      connect: { tcp: '10.0.0.1:502' },
      points: { limit: point },
    });
    expect([...wishesOf(spec).values()]).toEqual([
      {
        device: 'd',
        point: 'limit',
        kind: 'float64',
        unit: 'kW',
        label: 'Limit',
        class: 'measurement',
        writable: { range: [0, 9] },
      },
    ]);
  });
});
