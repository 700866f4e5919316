import { describe, expect, it } from 'vitest';
import { bad, GOOD, QUALITIES, qualityByte, qualityOf, REASONS, reasonOf } from './quality.ts';

describe('a quality byte', () => {
  it.each(QUALITIES.flatMap((quality) => REASONS.map((reason) => [quality, reason] as const)))(
    'keeps %s with reason %s apart',
    (quality, reason) => {
      const byte = qualityByte(quality, reason);
      expect(byte).toBeLessThan(256);
      expect([qualityOf(byte), reasonOf(byte)]).toEqual([quality, reason]);
    },
  );

  it('is 0 for good, so that a column of zeros is good', () => {
    expect([qualityByte('good'), GOOD]).toEqual([0, 0]);
  });

  it('has the reasons at their places on wire and disk', () => {
    expect(REASONS.slice(0, 15)).toEqual([
      'none',
      'timeout',
      'disconnected',
      'device-error',
      'illegal-address',
      'decode-error',
      'out-of-range',
      'stale',
      'sensor-fault',
      'not-yet-read',
      'clock-skew',
      'peer-uncertain',
      'peer-bad',
      'driver-restarted',
      'not-computable',
    ]);
    expect(REASONS.length).toBeLessThanOrEqual(64);
  });

  it('of a newer version reads as bad rather than good, and its reason as none', () => {
    expect(qualityOf(3)).toBe('bad');
    expect(reasonOf(63 << 2)).toBe('none');
  });

  it('for a bad value carries the reason', () => {
    expect([qualityOf(bad('timeout')), reasonOf(bad('timeout'))]).toEqual(['bad', 'timeout']);
  });
});
