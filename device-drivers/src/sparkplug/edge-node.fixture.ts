import { MillwrightError, type Value } from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node';
import type { DataTypeName } from './datatypes.ts';
import { MqttServer } from './mqtt-server.ts';
import { decodePayload, encodePayload, type Metric, metricValue, type Payload } from './payload.ts';
import type { Session } from './session.ts';
import { deviceTopic, nodeTopic, parseTopic } from './topic.ts';

export const NODE = { group: 'plant', node: 'press-line' } as const;
export const DEVICE = 'press-2';

interface Register {
  readonly type: DataTypeName;
  value: Value;
}

/** A small edge node with one device, of which a test can pull the plug. Aliases are positions, from 1. */
export class TestEdgeNode {
  readonly metrics: Map<string, Register>;
  readonly #server: MqttServer;
  #session: Session | undefined;
  #abort = new AbortController();
  #bdSeq = -1;
  #seq = 0;
  rebirths = 0;

  constructor(url: string, metrics: Readonly<Record<string, Register>>) {
    this.#server = new MqttServer({ url, clientId: 'press-line' });
    this.metrics = new Map(Object.entries(metrics));
  }

  async start(): Promise<void> {
    if (this.#session !== undefined) return;
    this.#bdSeq = (this.#bdSeq + 1) % 256;
    this.#abort = new AbortController();
    const session = await this.#open().catch((error: unknown) => {
      if (error instanceof MillwrightError && error.code === 'MQTT_VERSION') return this.#open();
      throw error;
    });
    this.#session = session;
    await session.subscribe([nodeTopic('NCMD', NODE), deviceTopic('DCMD', NODE, '+')]);
    await this.birth();
  }

  #open(): Promise<Session> {
    return this.#server.open(
      {
        topic: nodeTopic('NDEATH', NODE),
        payload: encodePayload({ metrics: [this.#bdMetric()] }),
        retain: false,
      },
      {
        onMessage: (topic, payload) => this.#command(topic, payload),
        onClosed: () => {
          this.#session = undefined;
        },
      },
      { signal: this.#abort.signal },
    );
  }

  /** Ends with its death certificate. */
  async stop(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    if (session === undefined) return;
    const death = encodePayload({ metrics: [this.#bdMetric()] });
    await session.publish(nodeTopic('NDEATH', NODE), death, { qos: 1, retain: false }).catch(() => undefined);
    await session.end({ withWill: false });
  }

  async birth(): Promise<void> {
    this.#seq = 0;
    await this.send('NBIRTH', [
      this.#bdMetric(),
      { name: 'Node Control/Rebirth', type: 'Boolean', value: false },
    ]);
    await this.send(
      'DBIRTH',
      [...this.metrics].map(([name, { type, value }], at) => ({ name, alias: at + 1, type, value })),
    );
  }

  async set(name: string, value: Value): Promise<void> {
    const register = this.metrics.get(name);
    if (register === undefined) return;
    register.value = value;
    await this.sendData([{ alias: this.#aliasOf(name), type: register.type, withType: false, value }]);
  }

  async sendData(metrics: readonly Metric[], options: { readonly skip?: number } = {}): Promise<void> {
    this.#seq = (this.#seq + (options.skip ?? 0)) % 256;
    await this.send('DDATA', metrics);
  }

  async send(
    type: 'NBIRTH' | 'NDATA' | 'DBIRTH' | 'DDATA' | 'DDEATH',
    metrics: readonly Metric[],
  ): Promise<void> {
    if (this.#session === undefined) return;
    const timestampMs = systemClock.wallMs();
    const payload: Payload = {
      timestampMs,
      seq: this.#seq,
      metrics: metrics.map((metric) => ({ timestampMs, ...metric })),
    };
    this.#seq = (this.#seq + 1) % 256;
    const topic =
      type === 'NBIRTH' || type === 'NDATA' ? nodeTopic(type, NODE) : deviceTopic(type, NODE, DEVICE);
    await this.#session
      .publish(topic, encodePayload(payload), { qos: 0, retain: false })
      .catch(() => undefined);
  }

  #command(topic: string, bytes: Uint8Array): void {
    const to = parseTopic(topic);
    for (const metric of decodePayload(bytes).metrics) {
      if (to?.type === 'NCMD' && metric.name === 'Node Control/Rebirth') {
        this.rebirths++;
        void this.birth();
      } else if (to?.type === 'DCMD') {
        const name = [...this.metrics.keys()][Number(metric.alias) - 1] ?? '';
        const type = this.metrics.get(name)?.type;
        if (type !== undefined) void this.set(name, metricValue(metric, type) ?? null);
      }
    }
  }

  #aliasOf(name: string): number {
    return [...this.metrics.keys()].indexOf(name) + 1;
  }

  #bdMetric(): Metric {
    return { name: 'bdSeq', type: 'Int64', value: this.#bdSeq, timestampMs: systemClock.wallMs() };
  }
}
