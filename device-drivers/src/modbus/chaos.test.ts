import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import crc16 from 'modbus-serial/utils/crc16.js';
import { afterEach, describe, expect, it } from 'vitest';
import { Recorder } from '../testing/index.ts';
import { modbusDriver } from './index.ts';
import { modbusDevice } from './test-peer.ts';

type Framing = 'tcp' | 'rtuOverTcp' | 'asciiOverTcp';

const TIMEOUT_MS = 60;
const UNIT = 9;
const ADDRESSES = [0, 1, 100, 101];
const truth = (address: number) => 0x1000 + address;
const LIE = 0xdead;

/** A request, and the means to answer it wrongly. */
interface Asked {
  readonly transaction: number;
  readonly address: number;
  readonly count: number;
  send(bytes: Buffer): void;
  /** A well-framed answer; each part may be a lie. */
  frame(parts: {
    transaction?: number;
    unit?: number;
    code?: number;
    words?: number[];
    size?: number;
  }): Buffer;
  hangUp(): void;
}

/** Each answers in a way a healthy device does not. */
const TRICKS: Readonly<Record<string, (asked: Asked, framing: Framing) => void>> = {
  'says nothing': () => undefined,
  'answers another transaction': (asked, framing) => {
    if (framing === 'tcp') asked.send(asked.frame({ transaction: asked.transaction ^ 1, words: [LIE, LIE] }));
  },
  'answers for another unit': (asked) => asked.send(asked.frame({ unit: UNIT + 1, words: [LIE, LIE] })),
  'answers another function': (asked) => asked.send(asked.frame({ code: 4, words: [LIE, LIE] })),
  'answers with too many registers': (asked) => asked.send(asked.frame({ words: [LIE, LIE, LIE] })),
  'answers with too few registers': (asked) => asked.send(asked.frame({ words: [LIE] })),
  'claims a wrong byte count': (asked) => asked.send(asked.frame({ size: 2, words: [LIE, LIE] })),
  'claims more bytes than it sends': (asked) => asked.send(asked.frame({ size: 200, words: [LIE, LIE] })),
  'stops in the middle of the answer': (asked) => asked.send(asked.frame({}).subarray(0, -3)),
  'hangs up in the middle of the answer': (asked) => {
    asked.send(asked.frame({}).subarray(0, -3));
    asked.hangUp();
  },
  'sends noise': (asked) =>
    asked.send(Buffer.from('\0\0\0\0\xff\xffHTTP/1.1 400 Bad Request\r\n\r\n', 'latin1')),
  'sends a flood of noise': (asked) => asked.send(Buffer.alloc(20_000, 0xa5)),
  'flips a bit on the way': (asked, framing) => {
    // Modbus/TCP leaves bit errors to TCP's own checksum.
    if (framing === 'tcp') return;
    const frame = asked.frame({});
    frame[5] = (frame[5] ?? 0) ^ 0x10;
    asked.send(frame);
  },
  'answers too late': (asked) => {
    const late = asked.frame({ words: [LIE, LIE] });
    setTimeout(() => asked.send(late), 1.5 * TIMEOUT_MS).unref();
  },
  'answers twice': (asked) =>
    asked.send(Buffer.concat([asked.frame({}), asked.frame({ words: [LIE, LIE] })])),
  'answers byte by byte': (asked) => {
    for (const byte of asked.frame({})) asked.send(Buffer.of(byte));
  },
  'answers with an exception nobody knows': (asked) =>
    asked.send(asked.frame({ code: 0x83, size: 0x77, words: [] })),
  'is busy': (asked) => asked.send(asked.frame({ code: 0x83, size: 6, words: [] })),
};

/** Answers honestly twice, then plays its trick once, again and again. */
class TrickyPeer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #requests = 0;
  tricksPlayed = 0;
  isHonest = false;

  constructor(framing: Framing, play: (asked: Asked, framing: Framing) => void) {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => this.#sockets.delete(socket));
      // A request is 12 bytes in Modbus/TCP, 8 in RTU and 17 in ASCII; one is outstanding at a time.
      socket.on('data', (bytes) => {
        const asked = read(framing === 'asciiOverTcp' ? fromAscii(bytes) : bytes, framing, socket);
        this.#requests++;
        if (this.isHonest || this.#requests % 3 !== 0) return asked.send(asked.frame({}));
        this.tricksPlayed++;
        play(asked, framing);
      });
    });
  }

  async start(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await new Promise((resolve) => this.#server.once('listening', resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function read(bytes: Buffer, framing: Framing, socket: Socket): Asked {
  const head = framing === 'tcp' ? 6 : 0;
  const transaction = framing === 'tcp' ? bytes.readUInt16BE(0) : 0;
  const address = bytes.readUInt16BE(head + 2);
  const count = bytes.readUInt16BE(head + 4);
  return {
    transaction,
    address,
    count,
    send: (answer) => {
      if (socket.writable) socket.write(answer);
    },
    hangUp: () => socket.end(),
    frame: (parts) => {
      const words = parts.words ?? Array.from({ length: count }, (_, i) => truth(address + i));
      const data = words.flatMap((word) => [word >> 8, word & 0xff]);
      const body = Buffer.from([parts.unit ?? UNIT, parts.code ?? 3, parts.size ?? data.length, ...data]);
      if (framing === 'asciiOverTcp') return toAscii(body);
      if (framing === 'rtuOverTcp') {
        const sum = crc16(body);
        return Buffer.concat([body, Buffer.of(sum & 0xff, sum >> 8)]);
      }
      const header = Buffer.alloc(6);
      header.writeUInt16BE(parts.transaction ?? transaction, 0);
      header.writeUInt16BE(body.length, 4);
      return Buffer.concat([header, body]);
    },
  };
}

function fromAscii(line: Buffer): Buffer {
  return Buffer.from(line.toString('latin1', 1), 'hex');
}

function toAscii(body: Buffer): Buffer {
  const sum = body.reduce((total, byte) => total + byte, 0);
  const digits = Buffer.concat([body, Buffer.of(-sum & 0xff)]).toString('hex');
  return Buffer.from(`:${digits.toUpperCase()}\r\n`);
}

let cleanUp: () => Promise<void> = async () => undefined;
afterEach(() => cleanUp());

describe.each(['tcp', 'rtuOverTcp', 'asciiOverTcp'] as const)('a %s device that now and then', (framing) => {
  it.each(Object.keys(TRICKS))('%s never makes a wrong value of it, and goes on', async (name) => {
    const peer = new TrickyPeer(framing, TRICKS[name] ?? (() => undefined));
    const port = await peer.start();
    const device = modbusDevice({
      id: 'tricky',
      connect: { [framing]: `127.0.0.1:${port}`, unit: UNIT, timeout: `${TIMEOUT_MS}ms` },
      scans: { fast: '10ms' },
      points: Object.fromEntries(ADDRESSES.map((at) => [`p${at}`, { at, as: 'uint16' }])),
    });
    const seen = new Recorder();
    const driver = modbusDriver.create([device], seen.deps());
    cleanUp = async () => {
      await driver.stop();
      await peer.stop();
    };
    await driver.start();
    await expect.poll(() => peer.tricksPlayed, { timeout: 15_000 }).toBeGreaterThanOrEqual(3);
    peer.isHonest = true;
    const before = seen.samples.length;
    const healed = () =>
      ADDRESSES.every(
        (_, no) => seen.samples.findLastIndex(({ point, q }) => point === no && q === 'good') >= before,
      );
    await expect.poll(healed, { timeout: 15_000 }).toBe(true);
    for (const { point, v, q } of seen.samples) {
      expect(v).toBe(q === 'good' ? truth(ADDRESSES[point] ?? -1) : null);
    }
  });
});
