import { LimitError } from '@millwright/protocol';
import type { ModbusBus, Outcome, Target } from './bus.ts';
import type { Encoded } from './encode.ts';
import type { Table } from './plan.ts';

interface Member {
  readonly bus: ModbusBus;
  isOpen: boolean;
  underWay: number;
}

/**
 * Several connections to the same device, used as one. A device that allows fewer is served over those it allows;
 * when one of them ends, all are ended and opened anew, so that there is one state only.
 */
export class PooledBus implements ModbusBus {
  readonly name: string;
  readonly #members: readonly Member[];

  constructor(buses: readonly ModbusBus[]) {
    this.name = buses[0]?.name ?? 'no connection';
    this.#members = buses.map((bus) => ({ bus, isOpen: false, underWay: 0 }));
  }

  get slots(): number {
    const open = this.#members.filter(({ isOpen }) => isOpen);
    return (open.length === 0 ? this.#members : open).reduce((sum, { bus }) => sum + bus.slots, 0);
  }

  get connections(): number {
    const open = this.#members.filter(({ isOpen }) => isOpen).length;
    return open === 0 ? this.#members.length : open;
  }

  get isOpen(): boolean {
    return this.#members.some(({ isOpen }) => isOpen);
  }

  async open(options: {
    readonly signal: AbortSignal;
    readonly onClose: (why: string) => void;
  }): Promise<void> {
    const opened = await Promise.allSettled(
      this.#members.map(async (member) => {
        await member.bus.open({
          signal: options.signal,
          onClose: (why) => {
            const wasOpen = member.isOpen;
            this.close();
            if (wasOpen) options.onClose(why);
          },
        });
        member.isOpen = true;
      }),
    );
    options.signal.throwIfAborted();
    const [failed] = opened.filter((each) => each.status === 'rejected');
    if (!this.isOpen && failed !== undefined) throw failed.reason;
  }

  close(): void {
    for (const member of this.#members) {
      member.isOpen = false;
      member.bus.close();
    }
  }

  read(target: Target, table: Table, address: number, width: number): Promise<Outcome<Uint8Array>> {
    return this.#with((bus) => bus.read(target, table, address, width));
  }

  write(target: Target, address: number, value: Encoded): Promise<Outcome<undefined>> {
    return this.#with((bus) => bus.write(target, address, value));
  }

  /** The least busy one. */
  async #with<T>(ask: (bus: ModbusBus) => Promise<Outcome<T>>): Promise<Outcome<T>> {
    let free: Member | undefined;
    for (const member of this.#members) {
      if (!member.isOpen || member.underWay >= member.bus.slots) continue;
      if (free === undefined || member.underWay < free.underWay) free = member;
    }
    if (free === undefined) {
      if (!this.isOpen) return { ok: false, why: 'closed' };
      throw new LimitError('LINE_BUSY', `${this.slots} requests are under way on ${this.name}`);
    }
    free.underWay++;
    try {
      return await ask(free.bus);
    } finally {
      free.underWay--;
    }
  }
}
