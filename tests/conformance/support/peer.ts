import { systemClock } from '@millwright/protocol/node/system-clock';
import { connectAsync, type MqttClient } from 'mqtt';
import sparkplug from 'sparkplug-payload';
import { type Published, parsed } from './published.ts';
import { until } from './until.ts';

const codec = sparkplug.get('spBv1.0');
if (codec === null) throw new Error('sparkplug-payload does not speak spBv1.0');
export const { encodePayload } = codec;
export type PeerMetric = NonNullable<Parameters<typeof encodePayload>[0]['metrics']>[number];

type Heard = Pick<Published, 'topic' | 'type' | 'device' | 'bytes' | 'message'> & {
  readonly retain: boolean;
};

/** A Sparkplug client of another make: MQTT.js and the reference codec. Hears all, says what it is told to. */
export class Peer {
  readonly heard: Heard[] = [];
  #client: MqttClient | undefined;

  async start(
    port: number,
    options: { readonly will?: { topic: string; payload: Buffer } } = {},
  ): Promise<void> {
    const client = await connectAsync(`mqtt://127.0.0.1:${port}`, {
      reconnectPeriod: 0,
      ...(options.will === undefined ? {} : { will: { ...options.will, qos: 1, retain: false } }),
    });
    this.#client = client;
    client.on('message', (topic, bytes, { retain }) => {
      if (topic.startsWith('spBv1.0/')) this.heard.push({ ...parsed(topic, bytes), retain });
    });
    await client.subscribeAsync(['spBv1.0/#', 'probe'], { qos: 1 });
  }

  async send(
    topic: string,
    payload: { readonly seq?: number; readonly metrics: PeerMetric[]; readonly timestamp?: number },
  ): Promise<void> {
    await this.sendBytes(topic, Buffer.from(encodePayload({ timestamp: systemClock.wallMs(), ...payload })));
  }

  async sendBytes(
    topic: string,
    bytes: Buffer | string,
    options: { readonly retain?: boolean } = {},
  ): Promise<void> {
    await this.#client?.publishAsync(topic, bytes, { qos: 1, retain: options.retain ?? false });
  }

  state(host: string, online: boolean, timestamp: number): Promise<void> {
    return this.sendBytes(`spBv1.0/STATE/${host}`, JSON.stringify({ online, timestamp }), { retain: true });
  }

  /** Topics on which the broker keeps a message, at a client that comes now. */
  static async retainedAt(port: number): Promise<string[]> {
    const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0 });
    const retained: string[] = [];
    let isProbed = false;
    client.on('message', (topic, _payload, packet) => {
      if (topic === 'probe') isProbed = true;
      else if (packet.retain) retained.push(topic);
    });
    await client.subscribeAsync(['spBv1.0/#', 'probe'], { qos: 1 });
    await until(async () => {
      await client.publishAsync('probe', '1', { qos: 1 });
      if (!isProbed) throw new Error('not yet');
    });
    await client.endAsync(true);
    return retained;
  }

  /** Ends without a word: the broker publishes its will. */
  vanish(): void {
    this.#client?.stream.destroy();
  }

  async stop(): Promise<void> {
    await this.#client?.endAsync(true);
  }
}
