import type { Duplex } from 'node:stream';
import type { AedesPublishPacket, Client } from 'aedes';
import type { ClientGate } from './client-gate.ts';
import type { BrokerLimits } from './config.ts';
import type { OffenceLog } from './offences.ts';
import { PacketGuard } from './packet-guard.ts';

/** Room for topic and packet identifier beside the payload. */
const PACKET_OVERHEAD_BYTES = 2048;

/** The bytes to and from clients: what is too large never reaches the parser, and who does not read stalls nobody. */
export class ClientStreams {
  readonly #offences: OffenceLog;
  readonly #limits: Pick<BrokerLimits, 'payloadBytes' | 'topicBytes' | 'sendBufferBytes'>;
  messagesOut = 0;
  bytesOut = 0;
  /** QoS 0 messages not sent to clients that do not read. */
  unread = 0;

  constructor(
    deps: { readonly offences: OffenceLog },
    limits: Pick<BrokerLimits, 'payloadBytes' | 'topicBytes' | 'sendBufferBytes'>,
  ) {
    this.#offences = deps.offences;
    this.#limits = limits;
  }

  /** Right after the parser was given the stream, before it reads. */
  guard(stream: Duplex, address: string): void {
    const { payloadBytes, topicBytes, sendBufferBytes } = this.#limits;
    widenSendBuffer(stream, sendBufferBytes);
    const maxBytes = payloadBytes + topicBytes + PACKET_OVERHEAD_BYTES;
    const guard = new PacketGuard({ maxBytes });
    // Sees each chunk before the parser does: "data" is emitted by the very `read` the parser calls.
    const scan = (chunk: Buffer) => {
      const size = guard.scan(chunk);
      if (size === undefined) return;
      stream.off('data', scan);
      stream.destroy();
      if (size < 0)
        this.#offences.note('MALFORMED', address, `client at ${address} sent no MQTT and was disconnected`);
      else {
        const message = `client at ${address} announced ${size} bytes, more than ${maxBytes}, and was disconnected`;
        this.#offences.note('PAYLOAD_TOO_LARGE', address, message);
      }
    };
    stream.on('data', scan);
    // Reading begins with the parser.
    stream.pause();
  }

  /** @returns null when this client does not get the message */
  forward(client: Client, packet: AedesPublishPacket, gate: ClientGate): AedesPublishPacket | null {
    // What aedes tells its like about clients is nobody else's business.
    if (packet.topic.startsWith('$SYS/') && !packet.topic.startsWith('$SYS/broker/')) return null;
    if (client.conn.writableLength >= this.#limits.sendBufferBytes) {
      this.unread++;
      if (packet.qos === 0) return null;
      gate.slow(client);
      return packet;
    }
    this.messagesOut++;
    this.bytesOut += packet.payload.length;
    return packet;
  }
}

/**
 * Lets a stream take up to `maxBytes` before it says that it is full. aedes hands a message to all its subscribers
 * before it reads on from its publisher, so a subscriber that does not read would hold up everybody: up to this bound
 * it does not, and beyond it nothing more is written to it.
 */
function widenSendBuffer(stream: Duplex, maxBytes: number): void {
  const write: Duplex['write'] = stream.write.bind(stream);
  const widened = (
    chunk: unknown,
    encoding?: BufferEncoding | ((error: Error | null | undefined) => void),
    callback?: (error: Error | null | undefined) => void,
  ): boolean => {
    if (typeof encoding === 'function') write(chunk, encoding);
    else if (encoding === undefined) write(chunk, callback);
    else write(chunk, encoding, callback);
    return stream.writableLength < maxBytes;
  };
  stream.write = widened;
}
