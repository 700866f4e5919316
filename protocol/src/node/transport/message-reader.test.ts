import fc from 'fast-check';
import { expect, test } from 'vitest';
import { lengthPrefix, MessageReader } from './message-reader.ts';

test('messages come out as they went in, however the bytes are cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 97 }), { minLength: 1 }),
      (messages, cuts) => {
        const bytes = Buffer.concat(messages.flatMap((message) => [lengthPrefix(message.length), message]));
        const reader = new MessageReader({ maxBytes: 1000 });
        const out: Uint8Array[] = [];
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const size = cuts[turn % cuts.length] ?? 1;
          reader.push(Uint8Array.from(bytes.subarray(at, at + size)));
          at += size;
          for (let message = reader.next(); message !== undefined; message = reader.next()) out.push(message);
        }
        expect(out.map((message) => [...message])).toEqual(messages.map((message) => [...message]));
        expect(reader.bufferedBytes).toBe(0);
      },
    ),
  );
});

test('a message above the limit is refused by its length alone', () => {
  const reader = new MessageReader({ maxBytes: 1000 });
  reader.push(lengthPrefix(1001));
  expect(() => reader.next()).toThrow(expect.objectContaining({ code: 'MESSAGE_TOO_LARGE' }));
});

test('a length that never ends is refused', () => {
  const reader = new MessageReader({ maxBytes: 1_000_000 });
  reader.push(Uint8Array.of(0x80, 0x80));
  expect(reader.next()).toBeUndefined();
  reader.push(Uint8Array.of(0x80));
  expect(() => reader.next()).toThrow(expect.objectContaining({ code: 'MESSAGE_TOO_LARGE' }));
});
