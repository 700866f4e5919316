import { EventEmitter } from 'node:events';
import { type Clock, delay, LimitError } from '@millwright/protocol';
import modbusSerial from 'modbus-serial';
import type { ModbusBus, Outcome, Target } from './bus.ts';
import type { Encoded } from './encode.ts';
import type { Framing } from './framing.ts';
import { isBitTable, type Table } from './plan.ts';
import { answerBytes } from './rtu-framing.ts';
import type { Wire } from './wire.ts';

const { default: ModbusRTU } = modbusSerial;
type Client = InstanceType<typeof ModbusRTU>;

const ILLEGAL_FUNCTION = 1;

export interface ClientBusDeps {
  readonly clock: Clock;
  readonly wire: Wire;
  /** A new one for every connection: nothing of an old one is taken for an answer. */
  readonly framing: () => Framing;
  /** How long one byte of an `adu` is under way: what a device's timeout does not have to cover. */
  readonly byteMs?: number;
  /** Silence that must lie between two frames. @see MODBUS over Serial Line V1.02 §2.5.1.1 */
  readonly silenceMs?: number;
}

/** One outstanding request at most; modbus-serial builds it and checks its answer. */
interface Slot {
  readonly client: Client;
  readonly port: SlotPort;
  settle: ((outcome: Outcome<never>) => void) | undefined;
}

/** modbus-serial builds the requests and checks the answers; the connection and the framing are ours. */
export class ClientBus implements ModbusBus {
  readonly name: string;
  readonly slots: number;
  readonly connections = 1;
  readonly #deps: ClientBusDeps;
  readonly #slots: Slot[] = [];
  #framing: Framing;
  #isOpen = false;
  #lastByteMs = Number.NEGATIVE_INFINITY;

  constructor(deps: ClientBusDeps) {
    this.#deps = deps;
    this.#framing = deps.framing();
    this.slots = this.#framing.slots;
    this.name = deps.wire.name;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  async open(options: {
    readonly signal: AbortSignal;
    readonly onClose: (why: string) => void;
  }): Promise<void> {
    const { wire, clock } = this.#deps;
    const framing = this.#deps.framing();
    this.#framing = framing;
    await wire.open({
      signal: options.signal,
      onBytes: (bytes) => {
        this.#lastByteMs = clock.monotonicMs();
        framing.receive(bytes, this.#deliver);
      },
      onClose: (why) => {
        this.#forget();
        options.onClose(why);
      },
    });
    this.#slots.splice(0);
    for (let slot = 0; slot < this.slots; slot++) {
      const port = new SlotPort((adu) => wire.write(framing.request(adu, slot)));
      const client = new ModbusRTU(port);
      client.open();
      this.#slots.push({ client, port, settle: undefined });
    }
    this.#isOpen = true;
  }

  close(): void {
    this.#forget();
    this.#deps.wire.close();
  }

  async read(target: Target, table: Table, address: number, width: number): Promise<Outcome<Uint8Array>> {
    const bytes = isBitTable(table) ? Math.ceil(width / 8) : 2 * width;
    return this.#ask<Uint8Array>(target, (client, done) => {
      // The library checks the length of the answer, but not the byte count inside it.
      const finish = (error: Error | null, reply?: { readonly buffer: Buffer }) =>
        done(error, reply?.buffer.length === bytes ? { data: reply.buffer } : undefined);
      if (table === 'holding') client.writeFC3(target.unit, address, width, finish);
      else if (table === 'input') client.writeFC4(target.unit, address, width, finish);
      else if (table === 'coil') client.writeFC1(target.unit, address, width, finish);
      else client.writeFC2(target.unit, address, width, finish);
    });
  }

  async write(target: Target, address: number, value: Encoded): Promise<Outcome<undefined>> {
    const { unit } = target;
    const written = (isEcho: boolean) => (isEcho ? { data: undefined } : undefined);
    if (value.to === 'coil') {
      return this.#ask(target, (client, done) => {
        client.writeFC5(unit, address, value.on, (error, reply) => {
          done(error, written(reply?.address === address && reply.state === value.on));
        });
      });
    }
    const [only] = value.words;
    if (value.words.length === 1 && only !== undefined) {
      const single = await this.#ask<undefined>(target, (client, done) => {
        client.writeFC6(unit, address, only, (error, reply) => {
          done(error, written(reply?.address === address && reply.value === only));
        });
      });
      const isUnknown = !single.ok && single.why === 'exception' && single.code === ILLEGAL_FUNCTION;
      if (!isUnknown) return single;
    }
    return this.#ask(target, (client, done) => {
      client.writeFC16(unit, address, [...value.words], (error, reply) => {
        done(error, written(reply?.address === address && reply.length === value.words.length));
      });
    });
  }

  async #ask<T>(
    target: Target,
    send: (
      client: Client,
      done: (error: Error | null, reply: { readonly data: T } | undefined) => void,
    ) => void,
  ): Promise<Outcome<T>> {
    const { clock, byteMs = 0, silenceMs = 0 } = this.#deps;
    const waitMs = this.#lastByteMs + silenceMs - clock.monotonicMs();
    if (waitMs > 0 && this.#isOpen) await delay(clock, waitMs);
    if (!this.#isOpen) return { ok: false, why: 'closed' };
    const slot = this.#slots.find(({ settle }) => settle === undefined);
    if (slot === undefined)
      throw new LimitError('LINE_BUSY', `${this.slots} requests are under way on ${this.name}`);
    return new Promise((resolve) => {
      let cancelTimer: () => void = () => undefined;
      const settle = (outcome: Outcome<T>) => {
        if (slot.settle !== settle) return;
        slot.settle = undefined;
        cancelTimer();
        resolve(outcome);
      };
      slot.settle = settle;
      const { port } = slot;
      send(slot.client, (error, reply) => {
        const code = error !== null && 'modbusCode' in error ? error.modbusCode : undefined;
        if (typeof code === 'number') settle({ ok: false, why: 'exception', code });
        else if (error !== null || reply === undefined) settle({ ok: false, why: 'garbled' });
        else settle({ ok: true, data: reply.data });
      });
      if (slot.settle !== settle) return;
      const timeoutMs = target.timeoutMs + byteMs * (port.sentBytes + port.expectedBytes);
      cancelTimer = clock.after(timeoutMs, () => settle({ ok: false, why: 'timeout' }));
    });
  }

  readonly #deliver = (slot: number, adu: Buffer): void => {
    this.#slots[slot]?.port.emit('data', adu);
  };

  #forget(): void {
    this.#isOpen = false;
    for (const slot of this.#slots) slot.settle?.({ ok: false, why: 'closed' });
  }
}

/**
 * What modbus-serial asks of a port. Its own TCP port counts transactions to 256, so that a late answer can be
 * taken for a new one; its RTU-over-TCP port speaks neither framing. The underscored ids belong to that contract
 * and stay at 1: matching answers to requests is the framing's work.
 */
class SlotPort extends EventEmitter {
  readonly isOpen = true;
  _transactionIdRead = 1;
  _transactionIdWrite = 1;
  sentBytes = 0;
  expectedBytes = 0;
  readonly #send: (adu: Uint8Array) => void;

  constructor(send: (adu: Uint8Array) => void) {
    super();
    this.#send = send;
  }

  open(opened: () => void): void {
    opened();
  }

  write(adu: Uint8Array): void {
    this.sentBytes = adu.length;
    this.expectedBytes = answerBytes(adu);
    this.#send(adu);
  }
}
