import { UnavailableError } from '@millwright/protocol';
import fc from 'fast-check';
import crc16 from 'modbus-serial/utils/crc16.js';
import { describe, expect, it } from 'vitest';
import { AsciiFraming } from './ascii-framing.ts';
import { type Framing, MbapFraming } from './framing.ts';
import { RtuFraming } from './rtu-framing.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const withCrc = (text: string) => {
  const body = hex(text);
  const sum = crc16(body);
  return Buffer.concat([body, Buffer.of(sum & 0xff, sum >> 8)]);
};
/** Reads two holding registers of unit 17 from address 107. */
const request = withCrc('11 03 006b 0002');
const answer = withCrc('11 03 04 022b 0064');

const ignore = () => undefined;

/** Feeds in pieces of `size` bytes. */
function feed(framing: Framing, bytes: Buffer, size = bytes.length): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    framing.receive(bytes.subarray(at, at + size), (_slot, adu) => found.push(Buffer.from(adu)));
  }
  return found;
}

describe('Modbus/TCP framing', () => {
  const frame = (transaction: number, body: string) =>
    Buffer.concat([Buffer.of(transaction >> 8, transaction & 0xff, 0, 0, 0, hex(body).length), hex(body)]);
  const asked = (): MbapFraming => {
    const framing = new MbapFraming();
    framing.request(request, 0);
    return framing;
  };
  const body = '11 03 04 022b 0064';

  it('counts transactions through all 16 bits', () => {
    const framing = new MbapFraming();
    const ids = Array.from({ length: 65_537 }, () =>
      Buffer.from(framing.request(request, 0)).readUInt16BE(0),
    );
    expect(ids.slice(0, 3)).toEqual([1, 2, 3]);
    expect(ids.slice(-2)).toEqual([0, 1]);
    expect(Buffer.from(framing.request(request, 0)).toString('hex')).toBe('00020000000611030' + '06b0002');
  });

  it.each([1, 2, 5, 7, 100])('finds the answer in pieces of %i bytes', (size) => {
    expect(feed(asked(), frame(1, body), size)).toEqual([answer]);
  });

  it('drops an answer to another transaction and goes on waiting', () => {
    const framing = asked();
    expect(feed(framing, Buffer.concat([frame(0, body), frame(9, body)]))).toEqual([]);
    expect(feed(framing, frame(1, body))).toEqual([answer]);
  });

  it('passes one request’s answer on once', () => {
    expect(feed(asked(), Buffer.concat([frame(1, body), frame(1, body)]), 13)).toEqual([answer]);
  });

  it('drops what nobody asked for', () => {
    expect(feed(new MbapFraming(), frame(0, body))).toEqual([]);
  });

  it('tells the answers of several requests apart, in whatever order they come', () => {
    const framing = new MbapFraming(3);
    for (const slot of [0, 1, 2]) framing.request(request, slot);
    const found: [number, string][] = [];
    const frames = [3, 7, 1, 1].map((transaction) => frame(transaction, `11 03 04 0000 000${transaction}`));
    framing.receive(Buffer.concat(frames), (slot, adu) => found.push([slot, adu.toString('hex', 0, 7)]));
    expect(found).toEqual([
      [2, '11030400000003'],
      [0, '11030400000001'],
    ]);
    // The second one timed out: its answer is none of the next request's.
    framing.request(request, 1);
    framing.receive(frame(2, body), (slot) => found.push([slot, 'late']));
    framing.receive(frame(4, body), (slot) => found.push([slot, 'right']));
    expect(found.slice(2)).toEqual([[1, 'right']]);
  });

  it('gives up on a stream that is no Modbus/TCP', () => {
    expect(() => asked().receive(Buffer.from('HTTP/1.1 400 Bad Request'), ignore)).toThrow(UnavailableError);
    expect(() => asked().receive(hex('0001 0000 0001 11'), ignore)).toThrow(UnavailableError);
    expect(() => asked().receive(hex('0001 0000 00ff 11'), ignore)).toThrow(UnavailableError);
  });

  it('never lets anything but the awaited transaction through, whatever arrives', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 6 }), (chunks) => {
        const framing = asked();
        try {
          for (const chunk of chunks) {
            framing.receive(chunk, (slot, adu) => {
              expect(slot).toBe(0);
              expect(adu.length).toBeLessThanOrEqual(256);
            });
          }
        } catch (error) {
          expect(error).toBeInstanceOf(UnavailableError);
        }
      }),
    );
  });
});

describe('RTU framing', () => {
  const asked = (): RtuFraming => {
    const framing = new RtuFraming();
    framing.request(request);
    return framing;
  };

  it('sends the request as it is', () => {
    expect(new RtuFraming().request(request)).toEqual(request);
  });

  it.each([1, 2, 4, 9])('finds the answer in pieces of %i bytes', (size) => {
    expect(feed(asked(), answer, size)).toEqual([answer]);
  });

  it('finds an exception', () => {
    const exception = withCrc('11 83 02');
    expect(feed(asked(), exception)).toEqual([exception]);
  });

  it('skips noise, other units and broken checksums in front of the answer', () => {
    const broken = Buffer.from(answer);
    broken[4] = 0xff;
    const noise = Buffer.concat([hex('00 11 03 ff'), withCrc('12 03 04 0001 0002'), broken, answer]);
    for (const size of [1, 3, noise.length]) expect(feed(asked(), noise, size)).toEqual([answer]);
  });

  it('forgets a late answer when the next request goes out', () => {
    const framing = asked();
    expect(feed(framing, answer.subarray(0, 6))).toEqual([]);
    framing.request(withCrc('12 03 0000 0002'));
    expect(feed(framing, answer.subarray(6))).toEqual([]);
    const next = withCrc('12 03 04 0001 0002');
    expect(feed(framing, next)).toEqual([next]);
  });

  it('drops what nobody asked for', () => {
    const framing = asked();
    expect(feed(framing, Buffer.concat([answer, answer]))).toEqual([answer]);
    expect(feed(framing, answer)).toEqual([]);
  });

  it.each([
    ['01 01 0000 0009', '01 01 02 ff01'],
    ['01 04 0000 0001', '01 04 02 1234'],
    ['01 05 0003 ff00', '01 05 0003 ff00'],
    ['01 06 0003 0009', '01 06 0003 0009'],
    ['01 10 0003 0002 04 0000 0000', '01 10 0003 0002'],
  ])('knows how long the answer to %s is', (sent, received) => {
    const framing = new RtuFraming();
    framing.request(withCrc(sent));
    expect(feed(framing, withCrc(received), 1)).toEqual([withCrc(received)]);
  });

  it('never lets a frame with a wrong checksum through, whatever arrives', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 700 }), { maxLength: 4 }), (chunks) => {
        const framing = asked();
        for (const chunk of chunks) {
          framing.receive(chunk, (_slot, adu) =>
            expect(crc16(adu.subarray(0, -2))).toBe(adu.readUInt16LE(adu.length - 2)),
          );
        }
      }),
    );
  });
});

describe('ASCII framing', () => {
  const asked = (): AsciiFraming => {
    const framing = new AsciiFraming();
    framing.request(request);
    return framing;
  };
  /** The answer above: its bytes and a check sum that makes their sum a multiple of 256. */
  const line = Buffer.from(':110304022B006457\r\n');

  it('sends digits, a check sum and a line end', () => {
    expect(Buffer.from(new AsciiFraming().request(request)).toString()).toBe(':1103006B00027F\r\n');
  });

  it.each([1, 2, 5, 100])('finds the answer in pieces of %i bytes', (size) => {
    expect(feed(asked(), line, size)).toEqual([answer]);
  });

  it('finds an exception', () => {
    expect(feed(asked(), Buffer.from(':1183026A\r\n'))).toEqual([withCrc('11 83 02')]);
  });

  it('skips noise, other units, wrong lengths and broken check sums in front of the answer', () => {
    const noise = [
      '\0\xff\r\n',
      ':1203040001000 2E4\r\n',
      ':110304022B006458\r\n',
      ':1103020001E9\r\n',
      ':1103',
    ];
    const all = Buffer.concat([...noise.map((text) => Buffer.from(text, 'latin1')), line]);
    for (const size of [1, 3, all.length]) expect(feed(asked(), all, size)).toEqual([answer]);
  });

  it('forgets a late answer when the next request goes out', () => {
    const framing = asked();
    expect(feed(framing, line.subarray(0, 6))).toEqual([]);
    framing.request(withCrc('12 03 0000 0002'));
    expect(feed(framing, line.subarray(6))).toEqual([]);
    expect(feed(framing, Buffer.from(':12030400010002E4\r\n'))).toEqual([withCrc('12 03 04 0001 0002')]);
  });

  it('never lets anything but an answer of the right unit and length through, whatever arrives', () => {
    const chunk = fc.oneof(
      fc.uint8Array({ maxLength: 700 }),
      fc.string({ maxLength: 60, unit: 'binary-ascii' }),
    );
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 4 }), (chunks) => {
        const framing = asked();
        for (const each of chunks) {
          framing.receive(Buffer.from(each as string), (_slot, adu) => {
            expect([adu[0], adu.length]).toEqual([17, adu[1] === 3 ? 9 : 5]);
          });
        }
      }),
    );
  });
});
