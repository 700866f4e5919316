import crc16 from 'modbus-serial/utils/crc16.js';
import { ByteInput } from './byte-input.ts';
import { CRC_BYTES, type Deliver, type Framing, MAX_UNIT_AND_PDU } from './framing.ts';

/**
 * RTU frames, on a serial line or a TCP socket. They carry no length and no transaction id: an answer is found by
 * the unit, the function and the length the request calls for, and must have a right CRC; everything else is skipped.
 * @see MODBUS over Serial Line V1.02 §2.5.1
 */
export class RtuFraming implements Framing {
  static readonly #EXCEPTION_BYTES = 5;
  readonly slots = 1;
  readonly #input = new ByteInput(2 * (MAX_UNIT_AND_PDU + CRC_BYTES));
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

  receive(bytes: Uint8Array, deliver: Deliver): void {
    for (let rest = this.#input.take(bytes); ; rest = this.#input.take(rest)) {
      const answer = this.#scan();
      if (answer !== null) deliver(0, answer);
      if (rest.length === 0) return;
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
export function answerBytes(adu: Uint8Array): number {
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
