import {
  type Clock,
  every,
  InvalidInputError,
  type Lifecycle,
  type Logger,
  type MqttPoint,
  toJsonValue,
  type Value,
} from '@millwright/protocol';
import { MqttClientLink } from '../../mqtt/client-link.ts';
import { expandTopic } from '../../mqtt/topic.ts';
import type { Machine } from '../machine.ts';
import type { DeviceTypeOf } from '../shipped-types.ts';

export interface MqttStationDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly machine: Machine;
  readonly type: DeviceTypeOf<'mqtt'>;
}

export interface MqttStationConfig {
  /** `mqtt://host:port` */
  readonly broker: string;
  readonly clientId: string;
  /** What `~` stands for in the type's topics; availability is told on `<base>/availability`. */
  readonly base: string;
  readonly username?: string;
  readonly password?: string;
  readonly everyMs?: number;
  /** What is told at once, besides the regular telling. Default `switches`. */
  readonly tellAtOnce?: 'switches' | 'everything';
}

const EVERY_MS = 5_000;

/** A device on MQTT: tells a machine's values as JSON, at intervals and when a switch moved, and obeys its command topics. */
export class MqttStation implements Lifecycle {
  readonly #deps: MqttStationDeps;
  readonly #everyMs: number;
  readonly #base: string;
  readonly #link: MqttClientLink;
  /** topic → JSON key → point */
  readonly #documents = new Map<string, Map<string, string>>();
  /** Values whose change is told at once. */
  readonly #urgent: readonly string[];
  #told = '';
  #cleanUp: (() => void)[] = [];
  #connected = false;

  /** @throws InvalidInputError when the type needs what this station cannot say */
  constructor(deps: MqttStationDeps, config: MqttStationConfig) {
    const {
      broker,
      clientId,
      base,
      username,
      password,
      everyMs = EVERY_MS,
      tellAtOnce = 'switches',
    } = config;
    this.#deps = deps;
    this.#everyMs = everyMs;
    this.#base = base;
    this.#link = new MqttClientLink(
      { clock: deps.clock, logger: deps.logger },
      {
        url: broker,
        clientId,
        will: { topic: `${base}/availability`, payload: 'offline' },
        ...(username === undefined ? {} : { username }),
        ...(password === undefined ? {} : { password }),
      },
    );
    for (const [name, point] of Object.entries(deps.type.points)) this.#plan(name, point);
    this.#urgent = Object.entries(deps.type.points)
      .filter(([, point]) => tellAtOnce === 'everything' || point.as === 'bool')
      .map(([name]) => name);
  }

  get connected(): boolean {
    return this.#connected;
  }

  async start(): Promise<void> {
    if (this.#cleanUp.length > 0) return;
    const { clock } = this.#deps;
    this.#cleanUp = [
      this.#link.onState((connected) => {
        this.#connected = connected;
        if (connected) this.#announce();
      }),
      every(clock, this.#everyMs, () => this.#tell()),
    ];
    await this.#link.start();
  }

  async stop(): Promise<void> {
    for (const each of this.#cleanUp.splice(0)) each();
    if (this.#connected) await this.#say(`${this.#base}/availability`, 'offline');
    this.#connected = false;
    await this.#link.stop();
  }

  /** To be called after the machine has moved. */
  moved(): void {
    const now = this.#urgent.map((name) => this.#value(name)).join();
    if (now === this.#told) return;
    this.#told = now;
    this.#tell();
  }

  #plan(name: string, point: MqttPoint): void {
    const { machine, type } = this.#deps;
    if (machine.values[name] === undefined) {
      throw new InvalidInputError(
        'SIMULATOR_TYPE',
        `the machine has no value for point "${name}" of ${type.type}`,
      );
    }
    const key = /^\$\.([A-Za-z_]\w*)$/.exec(point.pick ?? '')?.[1];
    if (key === undefined) {
      throw new InvalidInputError(
        'SIMULATOR_TYPE',
        `point "${name}" of ${type.type} needs a pick like "$.${name}"`,
      );
    }
    const topic = expandTopic(point.topic, this.#base);
    const document = this.#documents.get(topic) ?? new Map<string, string>();
    this.#documents.set(topic, document.set(key, name));
    const command = machine.commands[name];
    if (point.command === undefined || command === undefined) return;
    const commandTopic = expandTopic(point.command.topic, this.#base);
    this.#link.subscribe(commandTopic, (_topic, payload) => {
      if (!command(commanded(Buffer.from(payload).toString()))) {
        this.#deps.logger.warn({ topic: commandTopic }, 'the machine refuses this command');
      }
      this.#tell();
    });
  }

  #announce(): void {
    void this.#say(`${this.#base}/availability`, 'online');
    this.#tell();
  }

  #tell(): void {
    if (!this.#connected) return;
    for (const [topic, keys] of this.#documents) {
      const document = Object.fromEntries(
        [...keys].map(([key, name]) => [key, toJsonValue(this.#value(name))]),
      );
      void this.#say(topic, JSON.stringify(document));
    }
  }

  #value(name: string): Value {
    return this.#deps.machine.values[name]?.() ?? null;
  }

  async #say(topic: string, payload: string): Promise<void> {
    try {
      await this.#link.publish(topic, payload, { retain: true, qos: 1 });
    } catch (error) {
      // The link reports a lost broker itself, and everything is told again when it is back.
      this.#deps.logger.debug({ topic, error }, 'not told');
    }
  }
}

function commanded(text: string): Value {
  const word = text.trim().toLowerCase();
  if (word === 'true' || word === 'on') return true;
  if (word === 'false' || word === 'off') return false;
  return word !== '' && Number.isFinite(Number(word)) ? Number(word) : text;
}
