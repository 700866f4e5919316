import type { MqttLink } from '@millwright/device-drivers';
import { type HomeAssistantOptions, homeAssistantConfigs, originOf } from '@millwright/device-drivers/derive';
import {
  type Clock,
  type DeviceSpec,
  describeError,
  type Logger,
  MillwrightError,
} from '@millwright/protocol';
import { z } from 'zod';

/** Home Assistant connects, subscribes and says "online" in one go: what it asks for is sent once. */
const SETTLE_MS = 500;
const MAX_CONFIG_BYTES = 256 * 1024;

/** The part of an announcement that says whose it is. */
const Announcement = z.object({ o: z.object({ name: z.string() }) });

export interface DiscoveryPublisherDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly link: Pick<MqttLink, 'publish' | 'subscribe'>;
  /** Home Assistant has come back: it wants to be told every value again. */
  readonly onReborn: () => void;
}

export interface DiscoveryOptions extends HomeAssistantOptions {
  readonly prefix: string;
  readonly maxEntities: number;
}

/**
 * Announces devices to Home Assistant: one retained message each, again whenever Home Assistant starts, and taken back
 * when a device goes, also one that went while this gateway was not running.
 */
export class DiscoveryPublisher {
  readonly #deps: DiscoveryPublisherDeps;
  readonly #options: DiscoveryOptions;
  /** What is announced, by topic. */
  #announced = new Map<string, string>();
  #unsubscribe: (() => void)[] = [];
  #cancelReborn: (() => void) | undefined;
  #hasComplained = false;
  /** Devices that are too many. */
  #left = 0;

  constructor(deps: DiscoveryPublisherDeps, options: DiscoveryOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /**
   * Announces these devices, again when it was called before. What this gateway announced in former times and is none
   * of them is taken back, so the devices have to be known by now.
   */
  start(devices: Iterable<DeviceSpec>): void {
    this.#announced = new Map();
    this.apply(devices);
    if (this.#unsubscribe.length > 0) return;
    const { link, clock } = this.#deps;
    const { prefix } = this.#options;
    this.#unsubscribe = [
      link.subscribe(`${prefix}/status`, (_topic, payload) => {
        if (Buffer.from(payload).toString().trim().toLowerCase() !== 'online') return;
        this.#cancelReborn ??= clock.after(SETTLE_MS, () => {
          this.#cancelReborn = undefined;
          this.resendAll();
          this.#deps.onReborn();
        });
      }),
      link.subscribe(`${prefix}/device/+/config`, (topic, payload, retained) => {
        if (retained && payload.length > 0 && !this.#announced.has(topic) && this.#isOwn(payload)) {
          this.#publish(topic, '');
        }
      }),
    ];
  }

  stop(): void {
    this.#cancelReborn?.();
    this.#cancelReborn = undefined;
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
  }

  /** Announces what is new or different, and takes back what is gone. */
  apply(devices: Iterable<DeviceSpec>): void {
    const wanted = new Map<string, string>();
    let entities = 0;
    let left = 0;
    for (const spec of devices) {
      const size = Object.keys({ ...spec.points, ...spec.computed }).length;
      if (entities + size > this.#options.maxEntities) {
        left++;
        continue;
      }
      entities += size;
      for (const { topic, payload } of homeAssistantConfigs(spec, this.#options)) {
        wanted.set(topic, JSON.stringify(payload));
      }
    }
    if (left !== this.#left && left > 0) {
      const { maxEntities } = this.#options;
      this.#deps.logger.warn(
        { left, maxEntities },
        'not all devices are announced to Home Assistant: too many points',
      );
    }
    this.#left = left;
    const before = this.#announced;
    this.#announced = wanted;
    for (const [topic, text] of wanted) if (before.get(topic) !== text) this.#publish(topic, text);
    for (const topic of before.keys()) if (!wanted.has(topic)) this.#publish(topic, '');
  }

  resendAll(): void {
    for (const [topic, text] of this.#announced) this.#publish(topic, text);
  }

  #isOwn(payload: Uint8Array): boolean {
    if (payload.length > MAX_CONFIG_BYTES) return false;
    try {
      const parsed = Announcement.safeParse(JSON.parse(Buffer.from(payload).toString()));
      return parsed.success && parsed.data.o.name === originOf(this.#options.gateway);
    } catch {
      // Somebody else's, and no concern of ours.
      return false;
    }
  }

  #publish(topic: string, text: string): void {
    this.#deps.link.publish(topic, text, { retain: true }).then(
      () => {
        this.#hasComplained = false;
      },
      (error: unknown) => {
        const isOffline = error instanceof MillwrightError && error.code === 'MQTT_DISCONNECTED';
        if (isOffline || this.#hasComplained) return;
        this.#hasComplained = true;
        this.#deps.logger.warn({ topic, error: describeError(error) }, 'a device could not be announced');
      },
    );
  }
}
