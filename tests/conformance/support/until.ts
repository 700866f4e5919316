import { vi } from 'vitest';

/** Waits for something of the real world, for as long as a busy machine may take. */
export function until<T>(check: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(check, { timeout: 60_000, interval: 20 });
}
