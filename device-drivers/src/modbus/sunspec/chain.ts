import { UnavailableError } from '@millwright/protocol';
import type { ModbusBus, Outcome, Target } from '../bus.ts';

/** Where the marker may stand. @see SunSpec Device Information Model Specification V1.1 §6.2 */
const BASES = [40_000, 50_000, 0] as const;
/** "SunS". */
const MARKER = [0x5375, 0x6e53] as const;
const END = 0xffff;
const MOST_MODELS = 200;
const MOST_REGISTERS = 120;
const ADDRESSES = 65_536;
const TRIES = 3;

/** One model as it stands in the device. */
export interface FoundModel {
  readonly id: number;
  /** Of its first register, the one that holds the id. */
  readonly address: number;
  /** Registers from `address` on, id and length included; undefined where the device did not answer. */
  readonly words: Uint16Array | undefined;
}

/** What a device has, in its own order. */
export interface Chain {
  readonly base: number;
  readonly models: readonly FoundModel[];
  /** Sentences for people: where the chain broke. */
  readonly notes: readonly string[];
}

/**
 * Walks the models of a device from the marker to the end.
 * @returns undefined when it answers but has no marker: it is no SunSpec device
 * @throws UnavailableError `DEVICE_OFFLINE` when it does not answer
 */
export async function walkChain(
  bus: ModbusBus,
  target: Target,
  { signal }: { readonly signal: AbortSignal },
): Promise<Chain | undefined> {
  for (const base of BASES) {
    const marker = await readWords(bus, target, base, 2, signal);
    if (marker?.[0] === MARKER[0] && marker[1] === MARKER[1]) return walkFrom(base);
  }
  return undefined;

  async function walkFrom(base: number): Promise<Chain> {
    const models: FoundModel[] = [];
    const notes: string[] = [];
    let address = base + MARKER.length;
    while (models.length < MOST_MODELS && address + 2 <= ADDRESSES) {
      const head = await readWords(bus, target, address, 2, signal);
      const [id, length] = head ?? [];
      if (id === END) return { base, models, notes };
      if (id === undefined || length === undefined || address + 2 + length > ADDRESSES) {
        notes.push(`the chain of models breaks at register ${address}: what follows is left out`);
        return { base, models, notes };
      }
      const size = 2 + length;
      const words = await readWords(bus, target, address, size, signal);
      if (words === undefined) notes.push(`model ${id} at register ${address} cannot be read: left out`);
      models.push({ id, address, words });
      address += size;
    }
    notes.push('the chain of models has no end: what follows is left out');
    return { base, models, notes };
  }
}

/** @returns undefined when the device refuses */
async function readWords(
  bus: ModbusBus,
  target: Target,
  address: number,
  count: number,
  signal: AbortSignal,
): Promise<Uint16Array | undefined> {
  const words = new Uint16Array(count);
  for (let at = 0; at < count; at += MOST_REGISTERS) {
    const width = Math.min(MOST_REGISTERS, count - at);
    const outcome = await ask(bus, target, address + at, width, signal);
    if (outcome === undefined) return undefined;
    for (let i = 0; i < width; i++) words[at + i] = ((outcome[2 * i] ?? 0) << 8) | (outcome[2 * i + 1] ?? 0);
  }
  return words;
}

async function ask(
  bus: ModbusBus,
  target: Target,
  address: number,
  width: number,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  let outcome: Outcome<Uint8Array> | undefined;
  for (let tries = 0; tries < TRIES; tries++) {
    signal.throwIfAborted();
    outcome = await bus.read(target, 'holding', address, width);
    if (outcome.ok) return outcome.data;
    if (outcome.why === 'exception') return undefined;
    if (outcome.why === 'closed') break;
  }
  signal.throwIfAborted();
  throw new UnavailableError('DEVICE_OFFLINE', `unit ${target.unit} on ${bus.name} does not answer`, {
    hint: 'check the address, the unit and that it is switched on',
  });
}
