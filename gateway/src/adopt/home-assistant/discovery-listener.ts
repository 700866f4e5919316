import type { MqttLink } from '@millwright/device-drivers';
import type { Lifecycle, Logger } from '@millwright/protocol';
import type { PendingDevices } from '../../devices/pending-devices.ts';
import { type Announcement, discoveryTopic, readAnnouncement } from './announcement.ts';
import { siteEntryOf } from './site-entry.ts';

/** Topics remembered; a device has one per entity, or one for all. */
const MAX_TOPICS = 10_000;
const MAX_TOPICS_PER_DEVICE = 200;
const SOURCE = 'home-assistant';

export interface DiscoveryListenerDeps {
  readonly logger: Logger;
  readonly link: Pick<MqttLink, 'subscribe'>;
  readonly pending: Pick<PendingDevices, 'add' | 'remove'>;
}

export interface DiscoveryListenerConfig {
  readonly prefix: string;
  /** How the devices' `connect` block names the broker. */
  readonly broker: string;
}

/**
 * Listens to devices that announce themselves to Home Assistant, puts their entities together, and has them wait to be
 * adopted. Gateways of our kind are not listened to: their devices are devices already.
 */
export class DiscoveryListener implements Lifecycle {
  readonly #deps: DiscoveryListenerDeps;
  readonly #config: DiscoveryListenerConfig;
  readonly #deviceOfTopic = new Map<string, string>();
  readonly #devices = new Map<string, Map<string, Announcement>>();
  /** Topics of announced devices, by device. */
  readonly #topics = new Map<string, ReadonlySet<string>>();
  #unsubscribe: (() => void)[] = [];
  #isFull = false;

  constructor(deps: DiscoveryListenerDeps, config: DiscoveryListenerConfig) {
    this.#deps = deps;
    this.#config = config;
  }

  async start(): Promise<void> {
    if (this.#unsubscribe.length > 0) return;
    const { prefix } = this.#config;
    this.#unsubscribe = [`${prefix}/+/+/config`, `${prefix}/+/+/+/config`].map((filter) =>
      this.#deps.link.subscribe(filter, (topic, payload) => this.#take(topic, payload)),
    );
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    this.#deviceOfTopic.clear();
    this.#devices.clear();
    this.#topics.clear();
  }

  /** Whether a message belongs to a device that announces itself. */
  covers(topic: string): boolean {
    for (const topics of this.#topics.values()) if (topics.has(topic)) return true;
    return false;
  }

  #take(topic: string, payload: Uint8Array): void {
    const parts = discoveryTopic(this.#config.prefix, topic);
    if (parts === undefined) return;
    const announced = payload.length === 0 ? undefined : readAnnouncement(parts, payload);
    if (announced?.origin.startsWith('Millwright')) return;
    const before = this.#deviceOfTopic.get(topic);
    if (before !== undefined && before !== announced?.deviceId) this.#forget(topic, before);
    if (announced === undefined) return;
    const { deviceId } = announced;
    const known = this.#devices.get(deviceId) ?? new Map<string, Announcement>();
    if (!known.has(topic) && !this.#hasRoom(known)) return;
    this.#devices.set(deviceId, known.set(topic, announced));
    this.#deviceOfTopic.set(topic, deviceId);
    this.#tell(deviceId);
  }

  #forget(topic: string, deviceId: string): void {
    this.#deviceOfTopic.delete(topic);
    const known = this.#devices.get(deviceId);
    known?.delete(topic);
    if (known !== undefined && known.size > 0) {
      this.#tell(deviceId);
      return;
    }
    this.#devices.delete(deviceId);
    this.#topics.delete(deviceId);
    this.#deps.pending.remove(keyOf(deviceId));
  }

  #tell(deviceId: string): void {
    const announced = [...(this.#devices.get(deviceId)?.values() ?? [])];
    const [first] = announced;
    if (first === undefined) return;
    const { entry, skipped } = siteEntryOf(announced, this.#config.broker);
    this.#topics.set(deviceId, new Set(announced.flatMap(({ entities }) => entities.flatMap(topicsOf))));
    const { name, maker, model } = first;
    this.#deps.pending.add({ source: SOURCE, key: keyOf(deviceId), name, maker, model, entry, skipped });
  }

  #hasRoom(known: ReadonlyMap<string, Announcement>): boolean {
    if (known.size >= MAX_TOPICS_PER_DEVICE) return false;
    if (this.#deviceOfTopic.size < MAX_TOPICS) return true;
    if (!this.#isFull)
      this.#deps.logger.warn(`more than ${MAX_TOPICS} entities are announced; the rest is not looked at`);
    this.#isFull = true;
    return false;
  }
}

function topicsOf({ config }: Announcement['entities'][number]): string[] {
  const { state_topic: state, availability_topic: availability, availability: listed = [] } = config;
  return [state, availability, ...listed.map(({ topic }) => topic)].filter((topic) => topic !== undefined);
}

function keyOf(deviceId: string): string {
  return `${SOURCE}:${deviceId}`;
}
