import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LimitError } from '../errors.ts';
import { PointNo } from '../ids.ts';
import { SampleBatch } from './batch.ts';
import { bad, qualityByte } from './quality.ts';
import { Kind, MAX_TEXT_LENGTH, type Value } from './value.ts';

const P = PointNo.parse(7);

const anyValue: fc.Arbitrary<Value> = fc.oneof(
  fc.double(),
  fc.boolean(),
  fc.string(),
  fc.constant(null),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
  fc.constantFrom(-0, Number.NaN, Number.POSITIVE_INFINITY, 2n ** 63n, 2n ** 63n - 1n, ''),
);

describe('a sample batch', () => {
  it('gives back every value as it was pushed', () => {
    fc.assert(
      fc.property(fc.array(anyValue, { maxLength: 40 }), (values) => {
        const batch = new SampleBatch(40);
        for (const value of values) batch.push(P, 1, 2, value);
        const kept = values.map((_, row) => batch.valueAt(row));
        expect(kept.every((value, row) => Object.is(value, values[row]))).toBe(true);
      }),
    );
  });

  it('keeps point, times and quality of every row', () => {
    const batch = new SampleBatch(2);
    batch.pushNumber(P, 1000.5, 2000, 21.5, qualityByte('uncertain', 'stale'));
    batch.pushNull(PointNo.parse(0x7fff_ffff), -1, 8.64e15, bad('timeout'));
    expect([batch.sampleAt(0), batch.sampleAt(1)]).toEqual([
      { point: 7, v: 21.5, q: 'uncertain', why: 'stale', tSource: 1000.5, tGateway: 2000 },
      { point: 0x7fff_ffff, v: null, q: 'bad', why: 'timeout', tSource: -1, tGateway: 8.64e15 },
    ]);
  });

  it('has no reason for a good value', () => {
    const batch = new SampleBatch(1);
    batch.pushBool(P, 1, 2, false);
    expect(batch.sampleAt(0)).toEqual({ point: 7, v: false, q: 'good', tSource: 1, tGateway: 2 });
  });

  it('chooses the kind by the value', () => {
    const batch = new SampleBatch(6);
    for (const value of [null, 1, true, 'x', -1n, 2n ** 63n]) batch.push(P, 1, 1, value);
    expect([...batch.kind]).toEqual([Kind.null, Kind.float64, Kind.bool, Kind.text, Kind.int64, Kind.uint64]);
  });

  it('reads the same 64 bits as signed or unsigned', () => {
    const batch = new SampleBatch(2);
    batch.pushInt(P, 1, 1, -1n);
    batch.pushInt(P, 1, 1, 2n ** 64n - 1n, 0, Kind.uint64);
    expect([batch.valueAt(0), batch.valueAt(1)]).toEqual([-1n, 18_446_744_073_709_551_615n]);
  });

  it('refuses a row too many and keeps the others', () => {
    const batch = new SampleBatch(1);
    batch.pushNumber(P, 1, 1, 5);
    expect(batch.isFull).toBe(true);
    expect(() => batch.pushNumber(P, 1, 1, 6)).toThrow(LimitError);
    expect(() => batch.pushText(P, 1, 1, 'x')).toThrow(expect.objectContaining({ code: 'BATCH_FULL' }));
    expect([batch.length, batch.valueAt(0)]).toEqual([1, 5]);
  });

  it('can be used again after clear', () => {
    const batch = new SampleBatch(1);
    batch.pushText(P, 1, 1, 'first');
    batch.clear();
    batch.pushText(P, 1, 1, 'second');
    expect([batch.length, batch.strings, batch.valueAt(0)]).toEqual([1, ['second'], 'second']);
  });

  it('never cuts a text: one too long has no value and says why', () => {
    const batch = new SampleBatch(2);
    batch.pushText(P, 1, 1, 'x'.repeat(MAX_TEXT_LENGTH));
    batch.pushText(P, 1, 1, 'x'.repeat(MAX_TEXT_LENGTH + 1));
    expect(batch.valueAt(0)).toHaveLength(MAX_TEXT_LENGTH);
    expect(batch.sampleAt(1)).toMatchObject({ v: null, q: 'bad', why: 'out-of-range' });
  });
});

describe('a copied row', () => {
  it('equals the original in every column, whatever its kind', () => {
    fc.assert(
      fc.property(anyValue, fc.double({ noNaN: true }), fc.nat(255), (value, tSourceMs, quality) => {
        const from = new SampleBatch(2);
        from.pushText(P, 1, 1, 'before');
        from.push(P, tSourceMs, 2, value, quality);
        const to = new SampleBatch(2);
        to.pushText(P, 1, 1, 'other');
        to.copyRow(from, 1);
        expect(Object.is(to.valueAt(1), from.valueAt(1))).toBe(true);
        expect(to.sampleAt(1)).toEqual(from.sampleAt(1));
        expect(to.quality[1]).toBe(quality);
      }),
    );
  });

  it('keeps all 64 bits, the payload of a NaN included', () => {
    const cell = fc.tuple(fc.integer(), fc.integer());
    fc.assert(
      fc.property(cell, fc.constantFrom(Kind.float64, Kind.int64, Kind.uint64), ([low, high], kind) => {
        const from = new SampleBatch(1);
        from.pushNull(P, 1, 1, 0);
        from.kind[0] = kind;
        from.words.set([low, high]);
        const to = new SampleBatch(1);
        to.copyRow(from, 0);
        expect([...to.words]).toEqual([low, high]);
      }),
    );
  });

  it('keeps a signalling NaN, which a float would quieten', () => {
    const from = new SampleBatch(1);
    from.pushNumber(P, 1, 1, 0);
    from.words.set([0xdead, 0x7ff0_beef]);
    const to = new SampleBatch(1);
    to.copyRow(from, 0);
    expect([to.valueAt(0), ...to.words]).toEqual([Number.NaN, 0xdead, 0x7ff0_beef]);
  });

  it('survives the reuse of the batch it came from', () => {
    const from = new SampleBatch(1);
    from.pushText(P, 1, 1, 'first');
    const to = new SampleBatch(1);
    to.copyRow(from, 0);
    from.clear();
    from.pushText(P, 1, 1, 'second');
    expect(to.valueAt(0)).toBe('first');
  });
});
