import { connectAsync, type MqttClient } from 'mqtt';
import { type Config, checked, type Entity } from './home-assistant-rules.fixture.ts';

interface Shown extends Entity {
  readonly id: string;
  readonly device: string;
  /** The payload each availability topic last turned into. */
  readonly said: (string | undefined)[];
  raw: string | undefined;
}

/**
 * What Home Assistant does with MQTT discovery, strictly: a message it would refuse, or only log a warning about, is a
 * problem here. Entities are `<platform>.<unique id>`.
 */
export class HomeAssistant {
  readonly problems: string[] = [];
  readonly devices = new Map<string, Config['device']>();
  readonly #client: MqttClient;
  readonly #entities = new Map<string, Shown>();
  readonly #ofTopic = new Map<string, Set<string>>();

  private constructor(client: MqttClient) {
    this.#client = client;
    client.on('message', (topic, payload) => this.#take(topic, payload.toString()));
  }

  /** Connects, subscribes and says that it is there, as the real one does. */
  static async started(
    url: string,
    options: { readonly username?: string; readonly password?: string } = {},
  ): Promise<HomeAssistant> {
    const home = new HomeAssistant(
      await connectAsync(url, { reconnectPeriod: 0, protocolVersion: 4, ...options }),
    );
    await home.#client.subscribeAsync('homeassistant/#');
    await home.sayOnline();
    return home;
  }

  async sayOnline(): Promise<void> {
    await this.#client.publishAsync('homeassistant/status', 'online');
  }

  get ids(): readonly string[] {
    return [...this.#entities.keys()].sort();
  }

  config(id: string): Readonly<Record<string, unknown>> {
    return this.#entity(id).config;
  }

  /** As it stands on a dashboard: `unavailable`, `unknown`, or the value with its unit. */
  state(id: string): string {
    const { config, said, raw, availability } = this.#entity(id);
    const isAvailable = availability.every(({ available }, at) => said[at] === available);
    if (!isAvailable) return 'unavailable';
    if (raw === undefined || raw === 'None') return 'unknown';
    if (config.platform === 'binary_sensor' || config.platform === 'switch') return this.#onOrOff(id, raw);
    const unit = config.unit_of_measurement;
    if (unit !== undefined || config.state_class !== undefined || config.platform === 'number') {
      if (!Number.isFinite(Number(raw))) this.problems.push(`${id}: "${raw}" is not a number`);
    }
    return unit === undefined ? raw : `${raw} ${unit}`;
  }

  /** What somebody does on a dashboard. */
  async set(id: string, value: string): Promise<void> {
    const { config } = this.#entity(id);
    const topic = config.command_topic;
    if (typeof topic !== 'string') throw new TypeError(`${id} cannot be set`);
    const words: Readonly<Record<string, unknown>> = { on: config.payload_on, off: config.payload_off };
    const payload = config.platform === 'switch' ? String(words[value]) : value;
    await this.#client.publishAsync(topic, payload, { retain: config.retain === true });
  }

  publish(topic: string, payload: string, options: { readonly retain?: boolean } = {}): Promise<unknown> {
    return this.#client.publishAsync(topic, payload, { qos: 1, ...options });
  }

  async stop(): Promise<void> {
    await this.#client.endAsync(true);
  }

  #onOrOff(id: string, raw: string): string {
    const { config } = this.#entity(id);
    const isSwitch = config.platform === 'switch';
    if (raw === (isSwitch ? (config.state_on ?? config.payload_on) : config.payload_on)) return 'on';
    if (raw === (isSwitch ? (config.state_off ?? config.payload_off) : config.payload_off)) return 'off';
    this.problems.push(`${id}: "${raw}" is neither on nor off`);
    return 'unknown';
  }

  #entity(id: string): Shown {
    const entity = this.#entities.get(id);
    if (entity === undefined) throw new TypeError(`there is no ${id}; there are ${this.ids}`);
    return entity;
  }

  #take(topic: string, payload: string): void {
    if (/^homeassistant\/.+\/config$/.test(topic)) this.#discover(topic, payload);
    for (const id of this.#ofTopic.get(topic) ?? []) {
      const entity = this.#entities.get(id);
      if (entity === undefined) continue;
      if (entity.stateTopic === topic) entity.raw = entity.render(payload);
      for (const [at, each] of entity.availability.entries()) {
        if (each.topic === topic) entity.said[at] = each.render(payload);
      }
    }
  }

  #discover(topic: string, payload: string): void {
    for (const [id, entity] of this.#entities)
      if (entity.device === topic && payload === '') this.#entities.delete(id);
    if (payload === '') {
      this.devices.delete(topic);
      return;
    }
    try {
      const config = checked(topic, payload);
      this.devices.set(topic, config.device);
      for (const entity of config.entities) this.#add(topic, entity);
    } catch (error) {
      this.problems.push(`${topic}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  #add(topic: string, entity: Entity): void {
    const id = `${entity.config.platform}.${entity.config.unique_id}`;
    const before = this.#entities.get(id);
    if (before !== undefined && before.device !== topic) this.problems.push(`${id}: its unique id is taken`);
    const said = before?.said ?? entity.availability.map(() => undefined);
    this.#entities.set(id, { ...entity, id, device: topic, said: [...said], raw: before?.raw });
    const topics = [entity.stateTopic, ...entity.availability.map((each) => each.topic)];
    for (const each of new Set(topics)) {
      const ids = this.#ofTopic.get(each) ?? new Set();
      this.#ofTopic.set(each, ids.add(id));
      this.#client.subscribe(each);
    }
  }
}
