import { connectAsync } from 'mqtt';
import type { TestBroker } from './brokers.ts';
import { until } from './until.ts';

/** What a broker delivered of messages sent in all the ways Sparkplug needs. */
export interface BrokerRecord {
  readonly live: readonly Delivered[];
  /** To a client that came later. */
  readonly later: readonly Delivered[];
}

export interface Delivered {
  readonly topic: string;
  readonly payload: string;
  readonly qos: number;
  readonly retain: boolean;
}

export async function recordBroker(broker: TestBroker): Promise<BrokerRecord> {
  const url = `mqtt://127.0.0.1:${broker.port}`;
  const clients: Awaited<ReturnType<typeof connectAsync>>[] = [];
  const join = async (will?: string) => {
    const client = await connectAsync(url, {
      reconnectPeriod: 0,
      ...(will === undefined
        ? {}
        : { will: { topic: will, payload: Buffer.from('gone'), qos: 1, retain: will.startsWith('kept') } }),
    });
    clients.push(client);
    return client;
  };
  const listen = async () => {
    const client = await join();
    const delivered: Delivered[] = [];
    client.on('message', (topic, payload, { qos, retain }) =>
      delivered.push({ topic, payload: payload.toString(), qos, retain }),
    );
    await client.subscribeAsync('#', { qos: 1 });
    return delivered;
  };
  const comes = (delivered: readonly Delivered[], topic: string) =>
    until(() => {
      if (!delivered.some((each) => each.topic === topic)) throw new Error(`nothing on ${topic} yet`);
    });
  try {
    const live = await listen();
    const sender = await join();
    await sender.publishAsync('plain/0', 'a', { qos: 0 });
    await sender.publishAsync('plain/1', 'b', { qos: 1 });
    await sender.publishAsync('kept/1', 'old', { qos: 1, retain: true });
    await sender.publishAsync('kept/1', 'new', { qos: 1, retain: true });
    await sender.publishAsync('kept/cleared', 'x', { qos: 1, retain: true });
    await sender.publishAsync('kept/cleared', '', { qos: 1, retain: true });
    for (const will of ['will', 'kept/will']) (await join(will)).stream.destroy();
    await comes(live, 'will');
    await comes(live, 'kept/will');
    await comes(live, 'plain/0');
    const later = await listen();
    await comes(later, 'kept/will');
    await comes(later, 'kept/1');
    await sender.publishAsync('last', '1', { qos: 1 });
    await comes(later, 'last');
    return { live, later };
  } finally {
    for (const client of clients) await client.endAsync(true);
  }
}
