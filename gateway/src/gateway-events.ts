import { randomUUID } from 'node:crypto';
import {
  type Clock,
  type DeviceSlug,
  type DeviceStatus,
  describeError,
  type EventRecord,
  type Logger,
} from '@millwright/protocol';
import type { Journal } from './journal/journal.ts';

export interface GatewayEventsDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly journal: Pick<Journal, 'appendEvent'>;
}

/** Writes what happens to the gateway itself into its journal. */
export class GatewayEvents {
  readonly #deps: GatewayEventsDeps;
  /** As last told; a device is news only once it was known to be otherwise. */
  readonly #online = new Map<DeviceSlug, boolean>();

  constructor(deps: GatewayEventsDeps) {
    this.#deps = deps;
  }

  /** Resolves when the event is on disk, or was refused and logged. */
  async note(
    type: EventRecord['type'],
    message: string,
    more: Pick<EventRecord, 'device' | 'point' | 'data'> = {},
  ): Promise<void> {
    const { clock, journal, logger } = this.#deps;
    const id = `evt_${randomUUID()}`;
    try {
      await journal.appendEvent({ id, atMs: clock.wallMs(), type, message: message.slice(0, 1000), ...more });
    } catch (error) {
      logger.error({ type, error: describeError(error) }, `event not recorded: ${message}`);
    }
  }

  /** Notes devices that went away and came back; not that they answer for the first time. */
  devicesChanged(changed: readonly DeviceStatus[]): void {
    for (const { device, name, online, why = 'no reason given' } of changed) {
      const before = this.#online.get(device);
      if (before === online || (before === undefined && !online)) continue;
      this.#online.set(device, online);
      if (before === undefined) continue;
      if (online) void this.note('device.online', `${name} answers again`, { device });
      else void this.note('device.offline', `${name} is offline: ${why}`, { device });
    }
  }

  diskChanged(fault: string | undefined): void {
    if (fault === undefined) void this.note('disk.recovered', 'the journal can be written again');
    else void this.note('disk.full', `the journal cannot be written: ${fault}`);
  }
}
