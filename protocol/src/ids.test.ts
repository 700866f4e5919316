import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { DeviceId, DeviceSlug, deviceIdOf, GatewayId, PointId, PointNo, SiteId, Slug } from './ids.ts';

const LONGEST = 'a'.repeat(64);

describe.each<[name: string, schema: z.ZodType, valid: readonly unknown[], invalid: readonly unknown[]]>([
  [
    'a slug',
    Slug,
    ['a', '7', 'pump-1', 'a--b', LONGEST],
    ['', '-a', 'a-', 'A', 'pump 1', 'pump_1', 'pump.1', 'ä', 'a/b', 'a\n', `${LONGEST}a`, 7, null],
  ],
  [
    'a gateway id',
    GatewayId,
    ['gw_abcdefghij234567'],
    [
      'gw_',
      'gw_abcdefghij23456',
      'gw_abcdefghij2345678',
      'gw_ABCDEFGHIJ234567',
      'gw_abcdefghij234561',
      'xx_abcdefghij234567',
    ],
  ],
  [
    'a device id',
    DeviceId,
    ['dev_hall.pump-1', `dev_${LONGEST}.${LONGEST}`],
    [
      'dev_hall',
      'dev_.pump',
      'dev_hall.',
      'dev_hall.pump.1',
      'dev_Hall.pump',
      `dev_${LONGEST}a.b`,
      'hall.pump',
    ],
  ],
  [
    'a point id',
    PointId,
    ['v', 'voltage_l1', 'cpu.load', 'A-b', '_x', 'a'.repeat(128)],
    ['', '.a', 'a.', '-a', 'a-', 'a/b', 'a b', 'a+', '#', 'ä', 'a'.repeat(129), 'a\n'],
  ],
  ['a point number', PointNo, [0, 1, 0x7fff_ffff], [-1, 1.5, 0x8000_0000, Number.NaN, '1', null]],
])('%s', (_name, schema, valid, invalid) => {
  it.each(valid)('may be %j', (value) => {
    expect(schema.parse(value)).toBe(value);
  });

  it.each(invalid)('may not be %j', (value) => {
    expect(schema.safeParse(value).success).toBe(false);
  });
});

describe('the id of a device', () => {
  it('is made of its site and its name there, whichever gateway reads it', () => {
    expect(deviceIdOf(SiteId.parse('hall-2'), DeviceSlug.parse('pump-1'))).toBe('dev_hall-2.pump-1');
  });

  it('exists for every valid site and name', () => {
    expect(deviceIdOf(SiteId.parse(LONGEST), DeviceSlug.parse(LONGEST))).toHaveLength(4 + 64 + 1 + 64);
  });
});
