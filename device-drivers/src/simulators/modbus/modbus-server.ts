import { type Lifecycle, UnavailableError } from '@millwright/protocol';
import { type IServiceVector, ServerTCP } from 'modbus-serial';
import { freePort, listenError } from '../port.ts';
import type { RegisterImage } from './register-image.ts';
import { RtuBridge } from './rtu-bridge.ts';

export interface ModbusServerConfig {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** RTU frames on the socket, as serial servers speak it. */
  readonly rtuOverTcp?: boolean;
  /** Answers only to this unit; absent: to every one. */
  readonly unit?: number;
}

/** A Modbus server of modbus-serial's making that shows a register image. */
export class ModbusServer implements Lifecycle {
  readonly #image: RegisterImage;
  readonly #config: ModbusServerConfig;
  #server: ServerTCP | undefined;
  #bridge: RtuBridge | undefined;
  #port = 0;

  constructor(deps: { readonly image: RegisterImage }, config: ModbusServerConfig) {
    this.#image = deps.image;
    this.#config = config;
  }

  /** Known after `start`. */
  get port(): number {
    return this.#port;
  }

  get connections(): number {
    return this.#bridge?.connections ?? this.#server?.socks.size ?? 0;
  }

  /** @throws UnavailableError `PORT_IN_USE` */
  async start(): Promise<void> {
    if (this.#server !== undefined) return;
    const { host, port, rtuOverTcp = false } = this.#config;
    if (!rtuOverTcp) {
      this.#port = await this.#listen(host, port);
      return;
    }
    const inner = await this.#listen('127.0.0.1', 0);
    this.#bridge = new RtuBridge({ host, port, devicePort: inner });
    try {
      await this.#bridge.start();
      this.#port = this.#bridge.port;
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    const bridge = this.#bridge;
    const server = this.#server;
    this.#bridge = undefined;
    this.#server = undefined;
    await bridge?.stop();
    if (server !== undefined) await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  /** modbus-serial takes port 0 for its default; another process may be quicker on the one found free. */
  async #listen(host: string, wanted: number): Promise<number> {
    for (let attempt = 1; ; attempt++) {
      const port = wanted === 0 ? await freePort(host) : wanted;
      try {
        this.#server = await this.#open(host, port);
        return port;
      } catch (error) {
        const taken = error instanceof UnavailableError && error.code === 'PORT_IN_USE';
        if (!taken || wanted !== 0 || attempt === 5) throw error;
      }
    }
  }

  #open(host: string, port: number): Promise<ServerTCP> {
    const { unit } = this.#config;
    return new Promise((resolve, reject) => {
      const server = new ServerTCP(this.#vector(), {
        host,
        port,
        ...(unit === undefined ? {} : { unitID: unit }),
      });
      server.on('initialized', () => resolve(server));
      server.on('serverError', (error) => reject(listenError(error, { host, port })));
      // A client that vanishes is none of a device's business.
      server.on('socketError', () => undefined);
    });
  }

  #vector(): IServiceVector {
    const image = this.#image;
    return {
      getHoldingRegister: (address: number) => image.read('holding', address, 1)[0] ?? 0,
      getMultipleHoldingRegisters: (address: number, length: number) =>
        image.read('holding', address, length),
      getInputRegister: (address: number) => image.read('input', address, 1)[0] ?? 0,
      getMultipleInputRegisters: (address: number, length: number) => image.read('input', address, length),
      getCoil: (address: number) => image.read('coil', address, 1)[0] === 1,
      getDiscreteInput: (address: number) => image.read('discrete', address, 1)[0] === 1,
      setCoil: (address: number, on: boolean) => image.write('coil', address, [on ? 1 : 0]),
      setRegister: (address: number, word: number) => image.write('holding', address, [word]),
      setRegisterArray: (address: number, words: number[]) => image.write('holding', address, words),
    };
  }
}
