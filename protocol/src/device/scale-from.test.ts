import { describe, expect, it } from 'vitest';
import { resolveSite } from './resolve-site.ts';

function site(points: string): () => unknown {
  const text = `- id: a\n  driver: modbus\n  connect: { tcp: "h:1" }\n  points:\n${points}`;
  return () => resolveSite({ site: { name: 'site.yaml', text }, types: [] });
}

describe('a point that is scaled by what another one says', () => {
  it('is taken', () => {
    expect(
      site(
        '    amps: { at: 0, as: uint16, scaleFrom: amps_sf, unit: A }\n    amps_sf: { at: 1, as: int16 }\n',
      ),
    ).not.toThrow();
  });

  it.each([
    [
      'whose other does not exist',
      'amps: { at: 0, as: uint16, scaleFrom: amp_sf }',
      'no point "amp_sf"; did you mean "amps_sf"?',
    ],
    ['that names itself', 'amps: { at: 0, as: int16, scaleFrom: amps }', 'must be another point, an int16'],
    [
      'whose other is no int16',
      'amps: { at: 0, as: uint16, scaleFrom: wide }',
      '"wide" must be another point, an int16',
    ],
    [
      'that is a text',
      'amps: { at: 0, as: text, length: 4, scaleFrom: amps_sf }',
      'whole numbers and floats only',
    ],
    [
      'of which only some bits count',
      'amps: { at: 0, as: uint16, bits: [0, 3], scaleFrom: amps_sf }',
      'whole numbers and floats only',
    ],
  ])('is refused %s', (_, point, message) => {
    const others = '    amps_sf: { at: 10, as: int16 }\n    wide: { at: 12, as: float32 }\n';
    expect(site(`    ${point}\n${others}`)).toThrow(message);
  });
});
