import crc16 from 'modbus-serial/utils/crc16.js';
import lrc from 'modbus-serial/utils/lrc.js';
import { ByteInput } from './byte-input.ts';
import { CRC_BYTES, type Deliver, type Framing, MAX_UNIT_AND_PDU } from './framing.ts';
import { answerBytes } from './rtu-framing.ts';

const COLON = 0x3a;
const LINE_FEED = 0x0a;
/** Colon, LRC, carriage return, line feed. */
const AROUND = 1 + 2 + 2;
const LONGEST_FRAME = AROUND + 2 * MAX_UNIT_AND_PDU;
const EXCEPTION_BYTES = 3 + CRC_BYTES;
const HEX = /^(?:[0-9A-F]{2})+$/;

/**
 * ASCII frames: a colon, hexadecimal digits, a check sum, a line end. They name no transaction either: an answer has
 * the unit, the function and the length the request calls for. modbus-serial's own ASCII port is bound to a serial
 * port and forgets what follows a frame in the same piece; its check sum is used here.
 * @see MODBUS over Serial Line V1.02 §2.5.2
 */
export class AsciiFraming implements Framing {
  readonly slots = 1;
  readonly #input = new ByteInput(2 * LONGEST_FRAME);
  readonly #answer = Buffer.alloc(MAX_UNIT_AND_PDU + CRC_BYTES);
  #waiting = false;
  #unit = 0;
  #function = 0;
  #bytes = 0;

  request(adu: Uint8Array): Uint8Array {
    this.#input.drop(this.#input.length);
    this.#waiting = true;
    this.#unit = adu[0] ?? 0;
    this.#function = adu[1] ?? 0;
    this.#bytes = answerBytes(adu);
    const body = Buffer.from(adu.subarray(0, adu.length - CRC_BYTES));
    const frame = Buffer.concat([body, Buffer.of(lrc(body))]);
    return Buffer.from(`:${frame.toString('hex').toUpperCase()}\r\n`, 'latin1');
  }

  receive(bytes: Uint8Array, deliver: Deliver): void {
    for (let rest = this.#input.take(bytes); ; rest = this.#input.take(rest)) {
      for (let end = this.#input.indexOf(LINE_FEED); end !== -1; end = this.#input.indexOf(LINE_FEED)) {
        const answer = this.#waiting ? this.#decode(this.#input.view(0, end)) : null;
        this.#input.drop(end + 1);
        if (answer === null) continue;
        this.#waiting = false;
        deliver(0, answer);
      }
      // Without a line end in a frame's length there is none under way.
      if (this.#input.length > LONGEST_FRAME) this.#input.drop(this.#input.length - LONGEST_FRAME);
      if (rest.length === 0) return;
    }
  }

  /** A colon begins a frame anew wherever it stands. */
  #decode(line: Buffer): Buffer | null {
    const digits = line
      .subarray(line.lastIndexOf(COLON) + 1)
      .toString('latin1')
      .replace(/\r$/, '');
    if (line.lastIndexOf(COLON) === -1 || !HEX.test(digits)) return null;
    const frame = Buffer.from(digits, 'hex');
    const body = frame.subarray(0, -1);
    if (body.length + CRC_BYTES > this.#answer.length || lrc(body) !== frame.at(-1)) return null;
    if (!this.#isExpected(body)) return null;
    this.#answer.set(body);
    this.#answer.writeUInt16LE(crc16(body), body.length);
    return this.#answer.subarray(0, body.length + CRC_BYTES);
  }

  #isExpected(body: Buffer): boolean {
    if (body[0] !== this.#unit) return false;
    const size = body.length + CRC_BYTES;
    if (body[1] === this.#function) return size === this.#bytes;
    return body[1] === (this.#function | 0x80) && size === EXCEPTION_BYTES;
  }
}
