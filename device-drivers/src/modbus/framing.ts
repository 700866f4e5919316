import { UnavailableError } from '@millwright/protocol';
import crc16 from 'modbus-serial/utils/crc16.js';
import { ByteInput } from './byte-input.ts';

/** Unit (1) + protocol data unit (253). @see Modbus Application Protocol V1.1b3 §4.1 */
export const MAX_UNIT_AND_PDU = 254;
export const CRC_BYTES = 2;

/** Takes the answer to the request of a slot, valid until the slot's next request. */
export type Deliver = (slot: number, adu: Buffer) => void;

/**
 * How requests and answers stand on the wire. A slot has one request outstanding at a time; only its own answer
 * comes out, whatever else arrives. `adu` is unit, function, data, CRC: the form modbus-serial works in.
 */
export interface Framing {
  /** How many requests may be outstanding at once. */
  readonly slots: number;
  /** @returns the bytes to send; from now on only this request's answer is let through for the slot */
  request(adu: Uint8Array, slot: number): Uint8Array;
  /**
   * Takes what arrived and hands on the answers in it.
   * @throws UnavailableError `MODBUS_STREAM_LOST` when the frame boundaries are lost: only a new connection helps
   */
  receive(bytes: Uint8Array, deliver: Deliver): void;
}

/** Modbus/TCP: the only framing that names its transactions. @see MODBUS Messaging on TCP/IP V1.0b §3.1.3 */
export class MbapFraming implements Framing {
  static readonly #HEADER = 6;
  readonly slots: number;
  readonly #input = new ByteInput(2 * (MbapFraming.#HEADER + MAX_UNIT_AND_PDU));
  readonly #answers: readonly Buffer[];
  /** The transaction each slot waits for; -1 for none. */
  readonly #waiting: Int32Array;
  #transaction = 0;

  constructor(slots = 1) {
    this.slots = slots;
    this.#waiting = new Int32Array(slots).fill(-1);
    this.#answers = Array.from({ length: slots }, () => Buffer.alloc(MAX_UNIT_AND_PDU + CRC_BYTES));
  }

  request(adu: Uint8Array, slot: number): Uint8Array {
    const length = adu.length - CRC_BYTES;
    const frame = Buffer.allocUnsafe(MbapFraming.#HEADER + length);
    this.#transaction = (this.#transaction + 1) & 0xffff;
    this.#waiting[slot] = this.#transaction;
    frame.writeUInt16BE(this.#transaction, 0);
    frame.writeUInt16BE(0, 2);
    frame.writeUInt16BE(length, 4);
    frame.set(adu.subarray(0, length), MbapFraming.#HEADER);
    return frame;
  }

  receive(bytes: Uint8Array, deliver: Deliver): void {
    for (let rest = this.#input.take(bytes); ; rest = this.#input.take(rest)) {
      while (this.#input.length >= MbapFraming.#HEADER) {
        const length = this.#input.uint16(4);
        if (this.#input.uint16(2) !== 0 || length < 2 || length > MAX_UNIT_AND_PDU) {
          throw new UnavailableError('MODBUS_STREAM_LOST', 'the peer sent bytes that are no Modbus/TCP');
        }
        if (this.#input.length < MbapFraming.#HEADER + length) break;
        const slot = this.#waiting.indexOf(this.#input.uint16(0));
        const answer = slot === -1 ? null : this.#copy(slot, length);
        this.#input.drop(MbapFraming.#HEADER + length);
        if (answer !== null) deliver(slot, answer);
      }
      if (rest.length === 0) return;
    }
  }

  #copy(slot: number, length: number): Buffer | null {
    const answer = this.#answers[slot];
    if (answer === undefined) return null;
    this.#waiting[slot] = -1;
    const body = this.#input.view(MbapFraming.#HEADER, length);
    answer.set(body);
    answer.writeUInt16LE(crc16(body), length);
    return answer.subarray(0, length + CRC_BYTES);
  }
}
