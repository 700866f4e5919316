import { describeMqttLink } from '@millwright/device-drivers/testing';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { BrokerFixture } from './broker.fixture.ts';
import { LocalBrokerLink } from './local-link.ts';

describeMqttLink({
  name: "the gateway's own broker",
  breaks: false,
  createPeer: async () => {
    const fixture = await BrokerFixture.started({ dev: true });
    const watcher = await fixture.connect();
    await watcher.mqtt.subscribeAsync('#', { qos: 1 });
    const other = await fixture.connect();
    return {
      link: new LocalBrokerLink({ broker: fixture.broker }),
      publish: async (topic, payload, options) => {
        await other.mqtt.publishAsync(topic, Buffer.from(payload), {
          qos: 1,
          retain: options?.retain ?? false,
        });
      },
      received: () => watcher.received,
      dispose: () => fixture.dispose(),
    };
  },
});

describe('the in-process link', () => {
  let fixture: BrokerFixture;
  afterEach(() => fixture.dispose());

  it('hears a QoS 2 message once, and its retained copy later', async () => {
    fixture = await BrokerFixture.started({ dev: true });
    const link = new LocalBrokerLink({ broker: fixture.broker });
    const heard: string[] = [];
    link.subscribe('a/b', (topic, payload) => heard.push(`${topic}=${Buffer.from(payload)}`));
    await link.start();
    const client = await fixture.connect();
    await client.mqtt.publishAsync('a/b', '1', { qos: 2, retain: true });
    expect(heard).toEqual(['a/b=1']);
    link.subscribe('a/#', (topic) => heard.push(`later ${topic}`));
    await vi.waitFor(() => expect(heard).toEqual(['a/b=1', 'later a/b']));
    await link.stop();
  });

  it('hears its own messages and forgets a retained one that was cleared', async () => {
    fixture = await BrokerFixture.started({ dev: true });
    const link = new LocalBrokerLink({ broker: fixture.broker });
    await link.start();
    const heard: string[] = [];
    link.subscribe('x', (topic, payload) => heard.push(`${topic}=${Buffer.from(payload)}`));
    await link.publish('x', '1', { retain: true });
    await link.publish('x', '', { retain: true });
    expect(heard).toEqual(['x=1', 'x=']);
    link.subscribe('x', () => heard.push('late'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(heard).toHaveLength(2);
    await link.stop();
  });

  it('a handler that throws is logged and keeps nobody else from hearing', async () => {
    fixture = await BrokerFixture.started({ dev: true });
    const link = new LocalBrokerLink({ broker: fixture.broker });
    await link.start();
    const heard: string[] = [];
    link.subscribe('x', () => {
      throw new TypeError('seeded');
    });
    link.subscribe('x', (topic) => heard.push(topic));
    const client = await fixture.connect();
    await client.mqtt.publishAsync('x', '1', { qos: 1 });
    await client.mqtt.publishAsync('x', '2', { qos: 1 });
    await vi.waitFor(() => expect(heard).toEqual(['x', 'x']));
    expect(client.closed).toBe(false);
    expect(fixture.logger.lines.some((line) => line.message === 'message handler failed')).toBe(true);
    await link.stop();
  });

  it.each([
    ['a wildcard', 'a/+', '1', 'TOPIC_INVALID'],
    ["the broker's own topic", '$SYS/x', '1', 'TOPIC_INVALID'],
    ['too large a payload', 'a', 'x'.repeat(70_000), 'PAYLOAD_TOO_LARGE'],
  ])('refuses to publish %s', async (_what, topic, payload, code) => {
    fixture = await BrokerFixture.started({ dev: true });
    const link = new LocalBrokerLink({ broker: fixture.broker });
    await link.start();
    await expect(link.publish(topic, payload)).rejects.toMatchObject({ code });
    expect(() => link.subscribe('a/#/b', () => undefined)).toThrow(/not an MQTT topic filter/);
    await link.stop();
  });

  it('goes with the broker: gone while it is stopped, back with its subscriptions when it starts again', async () => {
    fixture = await BrokerFixture.started({ dev: true });
    const link = new LocalBrokerLink({ broker: fixture.broker });
    const states: boolean[] = [];
    const heard: string[] = [];
    link.subscribe('x', (_topic, payload) => heard.push(Buffer.from(payload).toString()));
    link.onState((state) => states.push(state));
    await link.start();
    await link.publish('x', 'kept', { retain: true });
    await fixture.broker.stop();
    await expect(link.publish('x', 'lost')).rejects.toMatchObject({ code: 'MQTT_DISCONNECTED' });
    await fixture.broker.start();
    await vi.waitFor(() => expect(heard).toEqual(['kept', 'kept']));
    expect(states).toEqual([false, true, false, true]);
    await link.stop();
  });
});
