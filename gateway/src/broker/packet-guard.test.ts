import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PacketGuard } from './packet-guard.ts';

/** A packet with a body of `size` bytes. */
function packet(size: number): Uint8Array {
  const head = [0x30];
  let left = size;
  do {
    head.push((left % 128) | (left >= 128 ? 0x80 : 0));
    left = Math.floor(left / 128);
  } while (left > 0);
  return Uint8Array.from([...head, ...Array<number>(size).fill(0xff)]);
}

describe('the packet guard', () => {
  it('lets packets up to the bound pass, however the stream is cut, and finds the first above it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 20 }),
        (sizes, cuts) => {
          const guard = new PacketGuard({ maxBytes: 300 });
          const stream = Buffer.concat(sizes.map(packet));
          let found: number | undefined;
          for (let at = 0, turn = 0; at < stream.length && found === undefined; turn++) {
            const step = cuts[turn % cuts.length] ?? 1;
            found = guard.scan(stream.subarray(at, at + step));
            at += step;
          }
          expect(found).toBe(sizes.find((size) => size > 300));
        },
      ),
    );
  });

  it('needs only the head of a packet', () => {
    const guard = new PacketGuard({ maxBytes: 100 });
    expect(guard.scan(Uint8Array.of(0x30, 0xff, 0xff, 0xff, 0x7f))).toBe(128 ** 4 - 1);
  });

  it('knows a length that is none', () => {
    const guard = new PacketGuard({ maxBytes: 2 ** 40 });
    expect(guard.scan(Uint8Array.of(0x30, 0x80, 0x80, 0x80, 0x80))).toBe(-1);
  });
});
