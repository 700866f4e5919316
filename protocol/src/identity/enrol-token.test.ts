import { describe, expect, test } from 'vitest';
import { UnauthorizedError } from '../errors.ts';
import { enrolTokenDigest, formatEnrolToken, parseEnrolToken } from './enrol-token.ts';

const regionPeer = `12D3KooW${'A'.repeat(44)}`;

describe('an enrolment token', () => {
  test('carries the region and a secret', () => {
    const text = formatEnrolToken({ regionPeer, secret: new Uint8Array(16).fill(255) });
    expect(text).toBe(`mwt1.${regionPeer}._____________________w`);
    expect(parseEnrolToken(`  ${text}\n`)).toEqual({ regionPeer, secret: '_____________________w' });
  });

  test('is refused with a hint and without being repeated when malformed', () => {
    const cut = formatEnrolToken({ regionPeer, secret: new Uint8Array(32) }).slice(0, 70);
    for (const text of [
      '',
      'mwt1',
      cut,
      `mwt2.${regionPeer}.${'a'.repeat(22)}`,
      `mwt1.short.${'a'.repeat(22)}`,
    ]) {
      expect(() => parseEnrolToken(text)).toThrow(UnauthorizedError);
    }
    expect(() => parseEnrolToken(cut)).not.toThrow(cut);
  });

  test('needs 128 bits of secret and an Ed25519 PeerId', () => {
    expect(() => formatEnrolToken({ regionPeer, secret: new Uint8Array(15) })).toThrow(/16 bytes/);
    expect(() => formatEnrolToken({ regionPeer: 'Qm123', secret: new Uint8Array(16) })).toThrow(/Qm123/);
  });

  test('is kept as a digest that ignores surrounding white space', () => {
    expect(enrolTokenDigest('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    expect(enrolTokenDigest(' abc\n')).toBe(enrolTokenDigest('abc'));
  });
});
