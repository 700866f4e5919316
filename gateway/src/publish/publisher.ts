import type { MqttLink } from '@millwright/device-drivers';
import { fillTopic } from '@millwright/device-drivers/derive';
import {
  type Clock,
  type DeviceSlug,
  every,
  type Lifecycle,
  type Logger,
  type Receipt,
  type WriteCommand,
} from '@millwright/protocol';
import type { DeviceStatusSource, LiveSource } from '../uplink/ports.ts';
import { CommandTopics } from './command-topics.ts';
import type { HomeAssistantPublishing, JsonPublishing } from './config.ts';
import { DiscoveryPublisher } from './home-assistant/discovery-publisher.ts';
import { JsonPublisher, type JsonPublisherDeps, type PublishedDevice } from './json/json-publisher.ts';

const LOOK_EVERY_MS = 1000;

export interface PublisherDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Started and stopped by whoever made it. */
  readonly link: MqttLink;
  readonly news: LiveSource;
  readonly points: JsonPublisherDeps['points'];
  readonly devices: DeviceStatusSource & { devices(): ReadonlyMap<DeviceSlug, PublishedDevice> };
  readonly commands: (command: WriteCommand) => Promise<Receipt>;
  readonly names: { readonly site: string; readonly gateway: string; readonly version: string };
  readonly hasAudience: () => boolean;
}

export interface PublisherConfig {
  readonly json: JsonPublishing;
  readonly homeAssistant: HomeAssistantPublishing | false;
}

/**
 * What this gateway tells others by MQTT: its points as JSON, its devices to Home Assistant, and who is reachable.
 *
 * All of it in QoS 0: aedes takes a message of QoS 1 that one of QoS 0 overtook for a duplicate, and drops it. What is
 * lost with a connection is told again on the next.
 */
export class Publisher implements Lifecycle {
  readonly #deps: PublisherDeps;
  readonly #json: JsonPublisher;
  readonly #discovery: DiscoveryPublisher | undefined;
  readonly #commands: CommandTopics | undefined;
  readonly #presence: string;
  #forget: (() => void)[] = [];
  #isConnected = false;
  /** Somebody was there: before, nothing is worked out, and no topic is even named. */
  #isAwake = false;

  constructor(deps: PublisherDeps, config: PublisherConfig) {
    this.#deps = deps;
    const { names, clock, logger, link } = deps;
    const { json, homeAssistant } = config;
    this.#json = new JsonPublisher(deps, json);
    this.#presence = fillTopic(json.presence, names);
    if (homeAssistant === false) return;
    const { prefix, role, maxEntities } = homeAssistant;
    this.#discovery = new DiscoveryPublisher(
      { clock, logger, link, onReborn: () => this.#tellAll() },
      {
        ...names,
        prefix,
        topics: { point: json.topic, availability: json.availability, presence: json.presence },
        commands: role !== undefined,
        maxEntities,
      },
    );
    if (role !== undefined) {
      this.#commands = new CommandTopics(
        { ...deps, onRefused: (no) => this.#json.resend(no) },
        { topic: json.topic, role, by: 'home-assistant' },
      );
    }
  }

  /** Messages handed to the broker. */
  get published(): number {
    return this.#json.published;
  }

  async start(): Promise<void> {
    if (this.#forget.length > 0) return;
    const { clock, link, devices } = this.#deps;
    this.#forget = [
      link.onState((connected) => {
        this.#isConnected = connected;
        if (connected) this.#greet();
      }),
      devices.onChanged((changed) => {
        if (this.#isAwake) this.#json.tellAvailability(changed);
      }),
      every(clock, LOOK_EVERY_MS, () => {
        if (!this.#isAwake) this.#greet();
      }),
    ];
  }

  /** Says goodbye; what was retained stays, marked as offline. */
  async stop(): Promise<void> {
    if (this.#forget.length === 0) return;
    for (const forget of this.#forget.splice(0)) forget();
    this.#commands?.stop();
    this.#discovery?.stop();
    this.#json.stop();
    const wasAwake = this.#isAwake && this.#isConnected;
    this.#isAwake = false;
    this.#isConnected = false;
    if (wasAwake) await this.#say('offline');
  }

  /** To be called when the devices of the gateway have changed. */
  refresh(): void {
    if (!this.#isAwake) return;
    this.#applyDevices();
    this.#discovery?.apply(this.#specs());
    this.#tellAll();
  }

  #greet(): void {
    if (!this.#isConnected || !this.#deps.hasAudience()) return;
    if (!this.#isAwake) this.#wake();
    void this.#say('online');
    this.#discovery?.start(this.#specs());
    this.#tellAll();
  }

  #wake(): void {
    this.#isAwake = true;
    this.#applyDevices();
    this.#commands?.start();
    this.#json.start();
  }

  #tellAll(): void {
    this.#json.tellAvailability(this.#deps.devices.statuses(), true);
    this.#json.resendAll();
  }

  #applyDevices(): void {
    const devices = [...this.#deps.devices.devices().values()];
    this.#json.apply(devices);
    this.#commands?.apply(devices);
  }

  #specs() {
    return [...this.#deps.devices.devices().values()].map(({ spec }) => spec);
  }

  async #say(word: 'online' | 'offline'): Promise<void> {
    const { link, logger } = this.#deps;
    try {
      await link.publish(this.#presence, word, { retain: true, transient: true });
    } catch (error) {
      logger.debug({ error }, 'presence was not told');
    }
  }
}
