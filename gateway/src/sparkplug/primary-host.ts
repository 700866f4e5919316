import type { HostState } from '@millwright/device-drivers/sparkplug';

/**
 * Whether the primary host is there, as one server tells it. An older message than the one before it is not believed:
 * it is the will of a connection that has long been replaced.
 * @see Sparkplug 3.0 §5.2, §5.6
 */
export class PrimaryHost {
  #latestMs: number | undefined;
  #onlineMs: number | undefined;

  /** @returns what to do about it */
  take({ online, timestamp }: HostState): 'online' | 'offline' | 'ignored' {
    const known = online ? this.#latestMs : this.#onlineMs;
    if (known !== undefined && timestamp < known) return 'ignored';
    this.#latestMs = timestamp;
    if (online) this.#onlineMs = timestamp;
    return online ? 'online' : 'offline';
  }
}
