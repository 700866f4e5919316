import { expect, it } from 'vitest';
import { device, id, lineOf, slug } from './line.fixture.ts';

it('a line says which registers a write would change, as they go over the wire, and asks nobody', () => {
  const { bus, line } = lineOf([
    device(7, {
      limit: { at: 200, as: 'float32', write: {} },
      level: { at: 10, as: 'uint16', scale: 0.1, write: {} },
      pump: { at: 3, as: 'bool', table: 'coil', write: {} },
      flow: { at: 4, as: 'uint16', table: 'input' },
    }),
  ]);
  const said = (point: string, value: number | boolean) => line.describeWrite(slug('u7'), id(point), value);
  expect(said('limit', 12.5)).toBe('unit 7, holding 200 = 4148 0000 (hex)');
  expect(said('level', 12)).toBe('unit 7, holding 10 = 0078 (hex)');
  expect(said('pump', true)).toBe('unit 7, coil 3 = on');
  expect(() => said('level', -1)).toThrow();
  expect(() => said('flow', 1)).toThrow('can only be read');
  expect(bus.requests).toEqual([]);
});
