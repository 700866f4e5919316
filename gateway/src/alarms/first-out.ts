import type { AlarmStatus } from './alarm-state.ts';

/**
 * Marks the first alarm of a group: when a machine trips, its other alarms follow within the second, and the first
 * one is the cause. The next first one is named when all of the group were normal.
 */
export class FirstOut {
  readonly #standing = new Map<string, Set<string>>();

  /** Call it with every change. @returns whether this alarm is marked from now on */
  isFirst(key: string, group: string | undefined, wasFirst: boolean, status: AlarmStatus): boolean {
    if (group === undefined) return false;
    const standing = this.#standing.get(group) ?? new Set();
    this.#standing.set(group, standing);
    if (status.told === 'normal') {
      standing.delete(key);
      if (standing.size === 0) this.#standing.delete(group);
      return false;
    }
    if (standing.has(key)) return wasFirst;
    standing.add(key);
    return standing.size === 1;
  }

  /** What was marked before a restart stays so. */
  restore(key: string, group: string | undefined, wasFirst: boolean, status: AlarmStatus): void {
    this.isFirst(key, group, wasFirst, status);
  }
}
