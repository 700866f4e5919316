import type { MqttLink } from '@millwright/device-drivers';
import type { Clock, DeviceSpec, Lifecycle, Logger } from '@millwright/protocol';
import type { AdoptedDevices } from '../devices/adopted-devices.ts';
import { PendingDevices } from '../devices/pending-devices.ts';
import type { AdoptConfig } from './config.ts';
import { DiscoveryListener } from './home-assistant/discovery-listener.ts';

export interface AdoptionDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The gateway's own broker. */
  readonly link: MqttLink;
  readonly adopted: AdoptedDevices;
  readonly isConfigured: (id: string) => boolean;
  /** Reads the devices anew, the adopted ones with them. @throws when they cannot be applied */
  readonly apply: () => Promise<void>;
}

/** Finds devices that announce themselves, and makes those somebody adopts devices of this gateway. */
export class Adoption implements Lifecycle {
  /** What waits to be adopted, whoever found it. */
  readonly pending: PendingDevices;
  readonly #deps: AdoptionDeps;
  readonly #listener: DiscoveryListener | undefined;

  constructor(deps: AdoptionDeps, config: AdoptConfig) {
    this.#deps = deps;
    const { clock, logger, link, adopted, isConfigured } = deps;
    this.pending = new PendingDevices(
      {
        clock,
        isTaken: (id) => isConfigured(id) || adopted.hasId(id),
        isAdopted: (key) => adopted.has(key),
        keep: (key, entry) => this.#keep(() => adopted.add(key, entry), entry.id),
      },
      { max: config.maxPending },
    );
    if (config.homeAssistant === false) return;
    const { prefix } = config.homeAssistant;
    this.#listener = new DiscoveryListener(
      { logger, link, pending: this.pending },
      { prefix, broker: 'local' },
    );
  }

  async start(): Promise<void> {
    await this.#listener?.start();
  }

  async stop(): Promise<void> {
    await this.#listener?.stop();
  }

  /** A device that was kept and cannot be run is given back. */
  async #keep(add: () => Promise<DeviceSpec>, id: string): Promise<void> {
    await add();
    try {
      await this.#deps.apply();
    } catch (error) {
      await this.#deps.adopted.remove(id);
      throw error;
    }
  }
}
