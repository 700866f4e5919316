import type { MqttLink, MqttPublishOptions } from '@millwright/device-drivers';
import { UnavailableError } from '@millwright/protocol';
import type { MqttBroker } from './broker.ts';
import type { MessageHandler } from './local-subscriptions.ts';

interface Subscription {
  readonly filter: string;
  readonly handler: MessageHandler;
  end: (() => void) | undefined;
}

/**
 * The gateway's own broker as drivers see it: no socket, no client, no copy. Connected from `start` to `stop` while
 * the broker runs; starting and stopping it leaves the broker alone.
 */
export class LocalBrokerLink implements MqttLink {
  readonly #broker: MqttBroker;
  readonly #subscriptions = new Set<Subscription>();
  readonly #listeners = new Set<(connected: boolean) => void>();
  #forgetBroker: (() => void) | undefined;
  #connected = false;

  constructor(deps: { readonly broker: MqttBroker }) {
    this.#broker = deps.broker;
  }

  async start(): Promise<void> {
    this.#forgetBroker ??= this.#broker.onState((running) => this.#setConnected(running));
  }

  async stop(): Promise<void> {
    this.#forgetBroker?.();
    this.#forgetBroker = undefined;
    this.#setConnected(false);
  }

  subscribe(filter: string, handler: MessageHandler): () => void {
    const subscription: Subscription = { filter, handler, end: undefined };
    this.#subscriptions.add(subscription);
    if (this.#connected) this.#attach(subscription);
    return () => {
      this.#subscriptions.delete(subscription);
      detach(subscription);
    };
  }

  /** @throws UnavailableError `MQTT_DISCONNECTED`; InvalidInputError for a topic or payload the broker refuses */
  async publish(
    topic: string,
    payload: Uint8Array | string,
    options: MqttPublishOptions = {},
  ): Promise<void> {
    if (!this.#connected) {
      throw new UnavailableError('MQTT_DISCONNECTED', "the gateway's own MQTT broker is not running");
    }
    this.#broker.publish(topic, payload, options);
  }

  onState(listener: (connected: boolean) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#connected);
    return () => this.#listeners.delete(listener);
  }

  #attach(subscription: Subscription): void {
    subscription.end ??= this.#broker.subscribe(subscription.filter, subscription.handler);
  }

  #setConnected(connected: boolean): void {
    if (this.#connected === connected) return;
    this.#connected = connected;
    for (const subscription of this.#subscriptions) {
      if (connected) this.#attach(subscription);
      else detach(subscription);
    }
    for (const listener of this.#listeners) listener(connected);
  }
}

function detach(subscription: Subscription): void {
  subscription.end?.();
  subscription.end = undefined;
}
