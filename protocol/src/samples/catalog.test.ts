import { describe, expect, it } from 'vitest';
import { CatalogEntry } from './catalog.ts';

const entry = { no: 0, device: 'pump-1', point: 'flow', kind: 'float64' };

describe('a catalogue entry', () => {
  it('needs a number, a device, a point and a kind', () => {
    expect(CatalogEntry.parse(entry)).toEqual(entry);
  });

  it('never is of kind null: a point without a value still has a kind', () => {
    expect(CatalogEntry.safeParse({ ...entry, kind: 'null' }).success).toBe(false);
  });

  it('keeps unit, label, class and range', () => {
    const full = { ...entry, unit: 'm3/h', label: 'Flow', class: 'measurement', writable: { range: [0, 5] } };
    expect(CatalogEntry.parse(full)).toEqual(full);
  });
});
