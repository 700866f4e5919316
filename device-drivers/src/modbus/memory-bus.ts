import { type Clock, UnavailableError } from '@millwright/protocol';
import type { ModbusBus, Outcome, Target } from './bus.ts';
import type { Encoded } from './encode.ts';
import { isBitTable, type Table } from './plan.ts';

/** One unit behind the bus, its registers in reach. */
export class MemoryUnit {
  readonly registers = new Uint16Array(65_536);
  readonly bits = new Uint8Array(65_536);
  /** Addresses that do not exist. */
  readonly illegal = new Set<number>();
  /** Addresses a read of which is not answered. */
  readonly ignored = new Set<number>();
  isSilent = false;
  /** Answers everything with this exception. */
  exception: number | undefined;
  isGarbled = false;
  latencyMs = 1;
}

/** The `ModbusBus` without a network: units live in this process, time is the clock's. */
export class MemoryBus implements ModbusBus {
  readonly name = 'memory';
  slots = 1;
  connections = 1;
  /** Every request with the time it was made: `read 1 holding 0+10`. */
  readonly requests: { readonly atMs: number; readonly what: string }[] = [];
  isReachable = true;
  openings = 0;
  /** More requests at once than this are not answered. */
  bears = Number.POSITIVE_INFINITY;
  /** Most requests that were under way at once. */
  mostAtOnce = 0;
  readonly #clock: Clock;
  readonly #units = new Map<number, MemoryUnit>();
  #onClose: ((why: string) => void) | undefined;
  readonly #ends = new Set<() => void>();

  constructor({ clock }: { readonly clock: Clock }) {
    this.#clock = clock;
  }

  get isOpen(): boolean {
    return this.#onClose !== undefined;
  }

  unit(number: number): MemoryUnit {
    const unit = this.#units.get(number) ?? new MemoryUnit();
    this.#units.set(number, unit);
    return unit;
  }

  /** What was asked since the last call. */
  takeRequests(): string[] {
    return this.requests.splice(0).map(({ what }) => what);
  }

  async open(options: {
    readonly signal: AbortSignal;
    readonly onClose: (why: string) => void;
  }): Promise<void> {
    options.signal.throwIfAborted();
    this.openings++;
    if (!this.isReachable)
      throw new UnavailableError('MODBUS_CONNECT_FAILED', 'cannot connect to memory: refused');
    this.#onClose = options.onClose;
  }

  close(): void {
    this.#onClose = undefined;
    for (const end of [...this.#ends]) end();
  }

  /** The other end hangs up. */
  hangUp(): void {
    const onClose = this.#onClose;
    this.close();
    onClose?.('the device closed the connection');
  }

  read(target: Target, table: Table, address: number, width: number): Promise<Outcome<Uint8Array>> {
    const unit = this.unit(target.unit);
    const asked = Array.from({ length: width }, (_, i) => address + i);
    const ignores = asked.some((at) => unit.ignored.has(at));
    return this.#request(target, `read ${target.unit} ${table} ${address}+${width}`, ignores, asked, () => {
      if (isBitTable(table)) {
        const bytes = new Uint8Array(Math.ceil(width / 8));
        asked.forEach((at, i) => {
          bytes[i >> 3] = (bytes[i >> 3] ?? 0) | ((unit.bits[at] ?? 0) << (i & 7));
        });
        return bytes;
      }
      return Uint8Array.from(
        asked.flatMap((at) => [(unit.registers[at] ?? 0) >> 8, (unit.registers[at] ?? 0) & 0xff]),
      );
    });
  }

  write(target: Target, address: number, value: Encoded): Promise<Outcome<undefined>> {
    const unit = this.unit(target.unit);
    const words = value.to === 'registers' ? value.words : [];
    const asked = words.map((_, i) => address + i);
    return this.#request(target, `write ${target.unit} ${address}`, false, asked, () => {
      if (value.to === 'coil') unit.bits[address] = value.on ? 1 : 0;
      else unit.registers.set(words, address);
      return undefined;
    });
  }

  #request<T>(
    target: Target,
    what: string,
    ignores: boolean,
    addresses: readonly number[],
    answer: () => T,
  ): Promise<Outcome<T>> {
    if (!this.isOpen) return Promise.resolve({ ok: false, why: 'closed' });
    this.requests.push({ atMs: this.#clock.monotonicMs(), what });
    const unit = this.unit(target.unit);
    return new Promise((resolve) => {
      const isTooMuch = this.#ends.size >= this.bears;
      const isSilent = isTooMuch || ignores || unit.isSilent || unit.latencyMs > target.timeoutMs;
      const cancel = this.#clock.after(isSilent ? target.timeoutMs : unit.latencyMs, () => {
        this.#ends.delete(end);
        if (isSilent) resolve({ ok: false, why: 'timeout' });
        else if (unit.isGarbled) resolve({ ok: false, why: 'garbled' });
        else if (unit.exception !== undefined) resolve({ ok: false, why: 'exception', code: unit.exception });
        else if (addresses.some((at) => unit.illegal.has(at)))
          resolve({ ok: false, why: 'exception', code: 2 });
        else resolve({ ok: true, data: answer() });
      });
      const end = () => {
        this.#ends.delete(end);
        cancel();
        resolve({ ok: false, why: 'closed' });
      };
      this.#ends.add(end);
      this.mostAtOnce = Math.max(this.mostAtOnce, this.#ends.size);
    });
  }
}
