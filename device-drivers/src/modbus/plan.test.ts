import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Mapped, planReads, splitRange, type Table } from './plan.ts';

const at = (address: number, width = 1, table: Table = 'holding'): Mapped => ({ table, address, width });
const merge = { maxGap: 8, maxRegisters: 120, avoid: [] };
const shape = (points: Mapped[], rule = merge as Parameters<typeof planReads>[1]) =>
  planReads(points, rule).map((range) => `${range.table} ${range.address}+${range.width}`);

describe('the read plan', () => {
  it('reads neighbours in one request, whatever order they were written in', () => {
    expect(shape([at(4, 2), at(0, 2), at(2, 2)])).toEqual(['holding 0+6']);
  });

  it('bridges a gap up to maxGap and no further', () => {
    expect(shape([at(0), at(9)])).toEqual(['holding 0+10']);
    expect(shape([at(0), at(10)])).toEqual(['holding 0+1', 'holding 10+1']);
    expect(shape([at(0), at(1), at(3)], { ...merge, maxGap: 0 })).toEqual(['holding 0+2', 'holding 3+1']);
  });

  it('asks for at most maxRegisters and never cuts a point in two', () => {
    const points = Array.from({ length: 100 }, (_, i) => at(2 * i, 2));
    expect(shape(points, { ...merge, maxRegisters: 121 })).toEqual(['holding 0+120', 'holding 120+80']);
  });

  it('asks for at most 125 registers or 2,000 bits even when a larger number slipped through', () => {
    const registers = Array.from({ length: 130 }, (_, i) => at(i));
    expect(shape(registers, { ...merge, maxRegisters: 1000 })).toEqual(['holding 0+125', 'holding 125+5']);
    const coils = Array.from({ length: 2100 }, (_, i) => at(i, 1, 'coil'));
    expect(shape(coils, { ...merge, maxRegisters: 1000 })).toEqual(['coil 0+2000', 'coil 2000+100']);
  });

  it('keeps the four tables apart', () => {
    expect(shape([at(0), at(1, 1, 'input'), at(2, 1, 'coil'), at(3, 1, 'discrete')])).toEqual([
      'holding 0+1',
      'input 1+1',
      'coil 2+1',
      'discrete 3+1',
    ]);
  });

  it('counts sixteen bits as a register in the bit tables', () => {
    expect(shape([at(0, 1, 'coil'), at(128, 1, 'coil')])).toEqual(['coil 0+129']);
    expect(shape([at(0, 1, 'coil'), at(130, 1, 'coil')])).toEqual(['coil 0+1', 'coil 130+1']);
  });

  it('never reads an avoided register for the sake of its neighbours', () => {
    const rule = { ...merge, avoid: [[4, 5]] as const };
    expect(shape([at(3), at(6)], rule)).toEqual(['holding 3+1', 'holding 6+1']);
    expect(shape([at(2), at(3)], rule)).toEqual(['holding 2+2']);
    expect(shape([at(6), at(7)], rule)).toEqual(['holding 6+2']);
  });

  it('reads a point inside an avoided range alone', () => {
    const rule = { ...merge, avoid: [[4, 5]] as const };
    expect(shape([at(3), at(4, 2), at(6)], rule)).toEqual(['holding 3+1', 'holding 4+2', 'holding 6+1']);
  });

  it('reads two views of the same registers once', () => {
    expect(shape([at(0, 4), at(0, 2), at(2, 2), at(3)])).toEqual(['holding 0+4']);
  });

  it('covers every point exactly once within its range, for any map', () => {
    const mapped = fc.record({
      table: fc.constantFrom<Table>('holding', 'input', 'coil', 'discrete'),
      address: fc.nat(300),
      width: fc.constantFrom(1, 2, 4),
    });
    const rule = fc.record({
      maxGap: fc.nat(20),
      maxRegisters: fc.integer({ min: 4, max: 125 }),
      avoid: fc.array(
        fc.tuple(fc.nat(300), fc.nat(20)).map(([a, n]) => [a, a + n] as [number, number]),
        { maxLength: 3 },
      ),
    });
    fc.assert(
      fc.property(fc.array(mapped, { maxLength: 60 }), rule, (points, merging) => {
        const ranges = planReads(points, merging);
        expect(ranges.flatMap((range) => range.points).length).toBe(points.length);
        for (const range of ranges) {
          for (const point of range.points) {
            expect(points).toContain(point);
            expect(point.table).toBe(range.table);
            expect(point.address).toBeGreaterThanOrEqual(range.address);
            expect(point.address + point.width).toBeLessThanOrEqual(range.address + range.width);
          }
          const limit = range.table === 'coil' || range.table === 'discrete' ? 16 : 1;
          expect(range.width).toBeLessThanOrEqual(limit * merging.maxRegisters);
        }
      }),
    );
  });
});

describe('splitting a refused range', () => {
  const halves = (points: Mapped[]) =>
    splitRange(planReads(points, { ...merge, maxGap: 100 })[0] ?? { ...at(0), points: [] })?.map(
      (range) => `${range.address}+${range.width}`,
    );

  it('cuts at the widest gap', () => {
    expect(halves([at(0), at(1), at(3), at(10), at(12)])).toEqual(['0+4', '10+3']);
  });

  it('cuts in the middle where there is no gap', () => {
    expect(halves([at(0, 2), at(2, 2), at(4, 2), at(6, 2)])).toEqual(['0+4', '4+4']);
  });

  it('ends at a single point', () => {
    expect(halves([at(7, 4)])).toBeUndefined();
  });

  it('separates overlapping points too', () => {
    expect(halves([at(0, 2), at(0, 1)])).toEqual(['0+2', '0+1']);
  });
});
