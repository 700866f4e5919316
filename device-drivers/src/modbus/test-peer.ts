import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { InlineDevice, InvalidInputError, PointId, PointNo } from '@millwright/protocol';
import { ServerTCP } from 'modbus-serial';
import crc16 from 'modbus-serial/utils/crc16.js';
import type { DriverDevice } from '../driver.ts';

/** A device as its site file would describe it, points numbered from `firstNo`. */
export function modbusDevice(config: Readonly<Record<string, unknown>>, firstNo = 0): DriverDevice<'modbus'> {
  const spec = InlineDevice.parse({ driver: 'modbus', ...config });
  if (spec.driver !== 'modbus') throw new InvalidInputError('TEST', 'not a Modbus device');
  const ids = Object.keys(spec.points).map((id) => PointId.parse(id));
  return { spec, numbers: new Map(ids.map((id, index) => [id, PointNo.parse(firstNo + index)])) };
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A Modbus/TCP device of modbus-serial's own making, whose registers the test holds in its hands. */
export class ModbusPeer {
  readonly holding = new Uint16Array(65_536);
  readonly input = new Uint16Array(65_536);
  readonly coils = new Uint8Array(65_536);
  readonly discrete = new Uint8Array(65_536);
  /** Holding registers that do not exist: asking for one is answered with exception 2. */
  readonly illegal = new Set<number>();
  /** Holding registers a request for which is not answered at all. */
  readonly ignored = new Set<number>();
  readonly silentUnits = new Set<number>();
  /** Every request for holding registers: `unit:address+length`. */
  readonly reads: string[] = [];
  #server: ServerTCP | undefined;

  readonly port: number;

  constructor(port: number) {
    this.port = port;
  }

  static async create(): Promise<ModbusPeer> {
    return new ModbusPeer(await freePort());
  }

  async start(): Promise<void> {
    if (this.#server !== undefined) return;
    const server = new ServerTCP(this.#vector(), { host: '127.0.0.1', port: this.port });
    this.#server = server;
    // A client that goes away in the middle is what these tests are about.
    server.on('socketError', () => undefined);
    await new Promise<void>((resolve, reject) => {
      server.on('initialized', () => resolve());
      server.on('serverError', reject);
    });
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server !== undefined) await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  connections(): number {
    return this.#server?.socks.size ?? 0;
  }

  #vector(): ConstructorParameters<typeof ServerTCP>[0] {
    const holding = (address: number, length: number, unit: number): number[] | 'silence' | 'illegal' => {
      this.reads.push(`${unit}:${address}+${length}`);
      const asked = Array.from({ length }, (_, i) => address + i);
      if (this.silentUnits.has(unit) || asked.some((at) => this.ignored.has(at))) return 'silence';
      return asked.some((at) => this.illegal.has(at)) ? 'illegal' : asked.map((at) => this.holding[at] ?? 0);
    };
    return {
      getMultipleHoldingRegisters: (address, length, unit, answer) => {
        const values = holding(address, length, unit);
        if (values !== 'silence')
          answer(values === 'illegal' ? refusal(2) : null, values === 'illegal' ? [] : values);
      },
      getHoldingRegister: (address, unit, answer) => {
        const values = holding(address, 1, unit);
        if (values !== 'silence') answer(values === 'illegal' ? refusal(2) : null, Number(values[0]));
      },
      getInputRegister: async (address: number) => this.input[address] ?? 0,
      getCoil: async (address: number) => this.coils[address] === 1,
      getDiscreteInput: async (address: number) => this.discrete[address] === 1,
      setRegister: (address, value, unit, answer) => {
        if (this.silentUnits.has(unit)) return;
        if (!this.illegal.has(address)) this.holding[address] = value;
        answer(this.illegal.has(address) ? refusal(2) : null);
      },
      setCoil: async (address: number, value: boolean) => {
        this.coils[address] = value ? 1 : 0;
      },
    };
  }
}

/** How modbus-serial's server is told to answer with an exception. */
function refusal(code: number): Error {
  return Object.assign(new InvalidInputError('REFUSED', `exception ${code}`), { modbusErrorCode: code });
}

/** A serial server: takes RTU or ASCII frames on a TCP socket and passes them on to a Modbus/TCP device. */
export class SerialGateway {
  #server: Server | undefined;
  readonly #sockets = new Set<Socket>();

  readonly port: number;
  readonly #devicePort: number;
  readonly #framing: 'rtu' | 'ascii';

  constructor(port: number, devicePort: number, framing: 'rtu' | 'ascii' = 'rtu') {
    this.port = port;
    this.#devicePort = devicePort;
    this.#framing = framing;
  }

  async start(): Promise<void> {
    if (this.#server !== undefined) return;
    const server = createServer((socket) => this.#serve(socket)).listen(this.port, '127.0.0.1');
    this.#server = server;
    await new Promise((resolve) => server.once('listening', resolve));
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const socket of this.#sockets) socket.destroy();
    if (server !== undefined) await new Promise((resolve) => server.close(resolve));
  }

  connections(): number {
    return this.#sockets.size;
  }

  #serve(socket: Socket): void {
    const device = connect(this.#devicePort, '127.0.0.1');
    this.#sockets.add(socket);
    for (const end of [socket, device]) end.on('error', () => end.destroy());
    device.on('close', () => socket.destroy());
    socket.on('close', () => {
      this.#sockets.delete(socket);
      device.destroy();
    });
    let asked = Buffer.alloc(0);
    socket.on('data', (bytes) => {
      asked = Buffer.concat([asked, bytes]);
      const sizeOf = this.#framing === 'rtu' ? requestBytes : lineBytes;
      for (let size = sizeOf(asked); size <= asked.length; size = sizeOf(asked)) {
        const frame = asked.subarray(0, size);
        const body = this.#framing === 'rtu' ? frame.subarray(0, -2) : asciiBody(frame);
        device.write(Buffer.concat([Buffer.of(0, 1, 0, 0, 0, body.length), body]));
        asked = asked.subarray(size);
      }
    });
    let answered = Buffer.alloc(0);
    device.on('data', (bytes) => {
      answered = Buffer.concat([answered, bytes]);
      while (answered.length > 6 && answered.length >= 6 + answered.readUInt16BE(4)) {
        const size = 6 + answered.readUInt16BE(4);
        const body = answered.subarray(6, size);
        const sum = crc16(body);
        if (this.#framing === 'rtu') socket.write(Buffer.concat([body, Buffer.of(sum & 0xff, sum >> 8)]));
        else socket.write(asciiLine(body));
        answered = answered.subarray(size);
      }
    });
  }
}

/** Length of the request the bytes begin with. */
function requestBytes(bytes: Buffer): number {
  if (bytes.length < 7) return Number.POSITIVE_INFINITY;
  return bytes[1] === 15 || bytes[1] === 16 ? 9 + (bytes[6] ?? 0) : 8;
}

function lineBytes(bytes: Buffer): number {
  const end = bytes.indexOf('\r\n');
  return end === -1 ? Number.POSITIVE_INFINITY : end + 2;
}

function asciiBody(line: Buffer): Buffer {
  return Buffer.from(line.toString('latin1', 1, line.length - 4), 'hex');
}

function asciiLine(body: Buffer): string {
  const sum = body.reduce((total, byte) => total + byte, 0);
  return `:${Buffer.concat([body, Buffer.of(-sum & 0xff)])
    .toString('hex')
    .toUpperCase()}\r\n`;
}
