/**
 * Follows the packet boundaries of an MQTT byte stream and finds a packet that announces more bytes than allowed
 * before they have arrived: the parser behind would buffer up to 256 MiB of it.
 * @see MQTT 3.1.1 §2.2.3, remaining length
 */
export class PacketGuard {
  readonly #maxBytes: number;
  /** Bytes of the current packet's body still to come. */
  #bodyLeft = 0;
  /** Length bytes read so far; −1 = waiting for a packet's first byte. */
  #lengthBytes = -1;
  #length = 0;

  constructor(config: { readonly maxBytes: number }) {
    this.#maxBytes = config.maxBytes;
  }

  /** @returns the announced size of a packet that is too large, or −1 for a length that is none; undefined = all well */
  scan(chunk: Uint8Array): number | undefined {
    let at = 0;
    while (at < chunk.length) {
      if (this.#bodyLeft > 0) {
        const step = Math.min(this.#bodyLeft, chunk.length - at);
        this.#bodyLeft -= step;
        at += step;
        continue;
      }
      const byte = chunk[at++] as number;
      if (this.#lengthBytes === -1) {
        this.#lengthBytes = 0;
        this.#length = 0;
        continue;
      }
      this.#length += (byte & 0x7f) * 128 ** this.#lengthBytes;
      this.#lengthBytes++;
      if ((byte & 0x80) !== 0) {
        if (this.#lengthBytes === 4) return -1;
        continue;
      }
      if (this.#length > this.#maxBytes) return this.#length;
      this.#bodyLeft = this.#length;
      this.#lengthBytes = -1;
    }
    return undefined;
  }
}
