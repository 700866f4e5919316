import { UnavailableError } from '@millwright/protocol';
import crc16 from 'modbus-serial/utils/crc16.js';

/** Unit (1) + protocol data unit (253). @see Modbus Application Protocol V1.1b3 §4.1 */
const MAX_UNIT_AND_PDU = 254;
const CRC_BYTES = 2;

/**
 * How requests and answers stand on the wire. One request is outstanding at a time; only its own answer
 * comes out, whatever else arrives. `adu` is unit, function, data, CRC: the form modbus-serial works in.
 */
export interface Framing {
  /** @returns the bytes to send; from now on only this request's answer is let through */
  request(adu: Uint8Array): Uint8Array;
  /**
   * Takes what arrived.
   * @returns the answer as an `adu`, valid until the next one; null while there is none
   * @throws UnavailableError `MODBUS_STREAM_LOST` when the frame boundaries are lost: only a new connection helps
   */
  receive(bytes: Uint8Array): Buffer | null;
}

/** Modbus/TCP. @see MODBUS Messaging on TCP/IP Implementation Guide V1.0b §3.1.3 */
export class MbapFraming implements Framing {
  static readonly #HEADER = 6;
  readonly #input = new Input(2 * (MbapFraming.#HEADER + MAX_UNIT_AND_PDU));
  readonly #answer = Buffer.alloc(MAX_UNIT_AND_PDU + CRC_BYTES);
  #transaction = 0;
  #waiting = false;

  request(adu: Uint8Array): Uint8Array {
    const length = adu.length - CRC_BYTES;
    const frame = Buffer.allocUnsafe(MbapFraming.#HEADER + length);
    this.#transaction = (this.#transaction + 1) & 0xffff;
    this.#waiting = true;
    frame.writeUInt16BE(this.#transaction, 0);
    frame.writeUInt16BE(0, 2);
    frame.writeUInt16BE(length, 4);
    frame.set(adu.subarray(0, length), MbapFraming.#HEADER);
    return frame;
  }

  receive(bytes: Uint8Array): Buffer | null {
    let answer: Buffer | null = null;
    for (let rest = this.#input.take(bytes); ; rest = this.#input.take(rest)) {
      while (this.#input.length >= MbapFraming.#HEADER) {
        const length = this.#input.uint16(4);
        if (this.#input.uint16(2) !== 0 || length < 2 || length > MAX_UNIT_AND_PDU) {
          throw new UnavailableError('MODBUS_STREAM_LOST', 'the peer sent bytes that are no Modbus/TCP');
        }
        if (this.#input.length < MbapFraming.#HEADER + length) break;
        if (this.#waiting && this.#input.uint16(0) === this.#transaction) {
          this.#waiting = false;
          answer = this.#copy(length);
        }
        this.#input.drop(MbapFraming.#HEADER + length);
      }
      if (rest.length === 0) return answer;
    }
  }

  #copy(length: number): Buffer {
    const body = this.#input.view(MbapFraming.#HEADER, length);
    this.#answer.set(body);
    this.#answer.writeUInt16LE(crc16(body), length);
    return this.#answer.subarray(0, length + CRC_BYTES);
  }
}

/**
 * RTU frames on a TCP socket. They carry no length and no transaction id: an answer is found by the unit,
 * the function and the length the request calls for, and must have a right CRC; everything else is skipped.
 * @see MODBUS over Serial Line V1.02 §2.5.1
 */
export class RtuFraming implements Framing {
  static readonly #EXCEPTION_BYTES = 5;
  readonly #input = new Input(2 * (MAX_UNIT_AND_PDU + CRC_BYTES));
  readonly #answer = Buffer.alloc(MAX_UNIT_AND_PDU + CRC_BYTES);
  #waiting = false;
  #unit = 0;
  #function = 0;
  #bytes = 0;

  request(adu: Uint8Array): Uint8Array {
    // Whatever is still in the buffer belongs to an earlier request.
    this.#input.drop(this.#input.length);
    this.#waiting = true;
    this.#unit = adu[0] ?? 0;
    this.#function = adu[1] ?? 0;
    this.#bytes = answerBytes(adu);
    return adu;
  }

  receive(bytes: Uint8Array): Buffer | null {
    let answer: Buffer | null = null;
    for (let rest = this.#input.take(bytes); ; rest = this.#input.take(rest)) {
      answer = this.#scan() ?? answer;
      if (rest.length === 0) return answer;
    }
  }

  #scan(): Buffer | null {
    while (this.#waiting && this.#input.length >= 2) {
      const expected = this.#expectedHere();
      if (expected > this.#input.length) return null;
      if (expected > 0) {
        const frame = this.#input.view(0, expected);
        if (crc16(frame.subarray(0, -CRC_BYTES)) === frame.readUInt16LE(expected - CRC_BYTES)) {
          this.#waiting = false;
          this.#answer.set(frame);
          this.#input.drop(expected);
          return this.#answer.subarray(0, expected);
        }
      }
      this.#input.drop(1);
    }
    if (!this.#waiting) this.#input.drop(this.#input.length);
    return null;
  }

  /** Length of the answer that may begin with the first byte; 0 when none can. */
  #expectedHere(): number {
    if (this.#input.byte(0) !== this.#unit) return 0;
    const code = this.#input.byte(1);
    if (code === this.#function) return this.#bytes;
    return code === (this.#function | 0x80) ? RtuFraming.#EXCEPTION_BYTES : 0;
  }
}

/** Unit, function, data and CRC of a good answer. @see Modbus Application Protocol V1.1b3 §6 */
function answerBytes(adu: Uint8Array): number {
  const count = ((adu[4] ?? 0) << 8) | (adu[5] ?? 0);
  const head = 3;
  switch (adu[1]) {
    case 1:
    case 2:
      return head + Math.ceil(count / 8) + CRC_BYTES;
    case 3:
    case 4:
      return head + 2 * count + CRC_BYTES;
    default:
      return 6 + CRC_BYTES;
  }
}

/** A bounded receive buffer: more than it holds is taken in turns. */
class Input {
  readonly #bytes: Buffer;
  #start = 0;
  #end = 0;

  constructor(capacity: number) {
    this.#bytes = Buffer.alloc(capacity);
  }

  get length(): number {
    return this.#end - this.#start;
  }

  /** Appends what fits. @returns the rest */
  take(bytes: Uint8Array): Uint8Array {
    if (this.#start > 0) {
      this.#bytes.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    const fits = Math.min(bytes.length, this.#bytes.length - this.#end);
    this.#bytes.set(fits === bytes.length ? bytes : bytes.subarray(0, fits), this.#end);
    this.#end += fits;
    return bytes.subarray(fits);
  }

  byte(at: number): number {
    return this.#bytes[this.#start + at] ?? 0;
  }

  uint16(at: number): number {
    return (this.byte(at) << 8) | this.byte(at + 1);
  }

  view(at: number, length: number): Buffer {
    return this.#bytes.subarray(this.#start + at, this.#start + at + length);
  }

  drop(count: number): void {
    this.#start += count;
  }
}
