import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { gatewayIdOf } from './gateway-id.ts';

test('a gateway id is the base32 of the first 80 bits of the SHA-256 of its key', () => {
  const key = new Uint8Array(32).fill(7);
  const bits = [...createHash('sha256').update(key).digest().subarray(0, 10)]
    .map((byte) => byte.toString(2).padStart(8, '0'))
    .join('');
  const expected = (bits.match(/.{5}/g) ?? [])
    .map((five) => 'abcdefghijklmnopqrstuvwxyz234567'[Number.parseInt(five, 2)])
    .join('');
  expect(gatewayIdOf(key)).toBe(`gw_${expected}`);
});

test('two keys have two ids, one key always the same', () => {
  const one = new Uint8Array(32).fill(1);
  const two = new Uint8Array(32).fill(2);
  expect(gatewayIdOf(one)).toBe(gatewayIdOf(one.slice()));
  expect(gatewayIdOf(one)).not.toBe(gatewayIdOf(two));
});
