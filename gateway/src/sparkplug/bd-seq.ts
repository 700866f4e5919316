import { UnavailableError } from '@millwright/protocol';
import type { Kv } from '../journal/kv/kv.ts';

const KEY = ['sparkplug', 'bdSeq'];

/** Numbers the sessions of this edge node, 0–255 in turn, over restarts too: a death tells by it which birth it ends. */
export class BdSeq {
  readonly #kv: Pick<Kv, 'get' | 'set'>;
  #last: number | undefined;

  constructor(deps: { readonly kv: Pick<Kv, 'get' | 'set'> }) {
    this.#kv = deps.kv;
  }

  /** For the next CONNECT; on disk before it is used. @throws UnavailableError when it cannot be kept */
  async next(): Promise<number> {
    const last = this.#last ?? (await this.#kv.get(KEY));
    const next = typeof last === 'number' && Number.isInteger(last) ? (last + 1) % 256 : 0;
    await this.#kv.set(KEY, next);
    this.#last = next;
    return next;
  }

  /** Of the present session. */
  get current(): number {
    if (this.#last === undefined) throw new UnavailableError('NO_SESSION', 'there was no session yet');
    return this.#last;
  }
}
