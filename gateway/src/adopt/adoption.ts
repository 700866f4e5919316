import type { MqttLink } from '@millwright/device-drivers';
import type { Clock, DeviceSpec, Lifecycle, Logger } from '@millwright/protocol';
import type { MqttBroker } from '../broker/broker.ts';
import type { AdoptedDevices } from '../devices/adopted-devices.ts';
import { PendingDevices } from '../devices/pending-devices.ts';
import type { AdoptConfig } from './config.ts';
import { DiscoveryListener } from './home-assistant/discovery-listener.ts';
import { UnreadMessages } from './mqtt/unread-messages.ts';

export interface AdoptionDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The gateway's own broker. */
  readonly link: MqttLink;
  /** Tells of messages that belong to no device. */
  readonly broker: Pick<MqttBroker, 'onUnread'>;
  readonly adopted: AdoptedDevices;
  readonly isConfigured: (id: string) => boolean;
  /** Reads the devices anew, the adopted ones with them. @throws when they cannot be applied */
  readonly apply: () => Promise<void>;
}

/** Finds devices that announce themselves or send messages nobody reads, and makes those somebody adopts devices of this gateway. */
export class Adoption implements Lifecycle {
  /** What waits to be adopted, whoever found it. */
  readonly pending: PendingDevices;
  readonly #deps: AdoptionDeps;
  readonly #listener: DiscoveryListener | undefined;
  readonly #unread: UnreadMessages | undefined;

  constructor(deps: AdoptionDeps, config: AdoptConfig) {
    this.#deps = deps;
    const { clock, logger, link, broker, adopted, isConfigured } = deps;
    this.pending = new PendingDevices(
      {
        clock,
        isTaken: (id) => isConfigured(id) || adopted.hasId(id),
        isAdopted: (key) => adopted.has(key),
        keep: (key, entry) => this.#keep(() => adopted.add(key, entry), entry.id),
      },
      { max: config.maxPending },
    );
    if (config.messages) {
      const unclaimed: AdoptionDeps['broker'] = {
        onUnread: (listener) =>
          broker.onUnread((topic, ...message) => {
            // A device that announces itself is found once.
            if (this.#listener?.covers(topic) !== true) listener(topic, ...message);
          }),
      };
      this.#unread = new UnreadMessages({ clock, logger, broker: unclaimed, pending: this.pending });
    }
    if (config.homeAssistant === false) return;
    const { prefix } = config.homeAssistant;
    this.#listener = new DiscoveryListener(
      { logger, link, pending: this.pending },
      { prefix, broker: 'local' },
    );
  }

  async start(): Promise<void> {
    await this.#listener?.start();
    await this.#unread?.start();
  }

  async stop(): Promise<void> {
    await this.#unread?.stop();
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
