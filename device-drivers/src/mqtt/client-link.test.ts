import { systemClock } from '@millwright/protocol/node';
import { MemoryLogger } from '@millwright/protocol/testing';
import { describe, expect, it, vi } from 'vitest';
import { MqttClientLink } from './client-link.ts';
import { describeMqttLink } from './link-contract.ts';
import { LoopbackBroker } from './loopback-broker.fixture.ts';

async function linkTo(broker: LoopbackBroker, logger = new MemoryLogger()) {
  await broker.start();
  return new MqttClientLink({ clock: systemClock, logger }, { url: broker.url, clientId: 'under-test' });
}

describeMqttLink({
  name: 'client of another broker',
  breaks: true,
  createPeer: async () => {
    const broker = await LoopbackBroker.create();
    const link = await linkTo(broker);
    return {
      link,
      publish: (topic, payload, options) => broker.publish(topic, payload, options),
      received: () => broker.received,
      subscriptions: () => broker.subscriptions,
      cut: () => broker.cut(),
      restore: () => broker.start(),
      dispose: () => broker.dispose(),
    };
  },
});

describe('MqttClientLink', () => {
  it('says once that the broker is gone and once that it is back, however many attempts there were', async () => {
    const broker = await LoopbackBroker.create();
    const logger = new MemoryLogger();
    const link = await linkTo(broker, logger);
    await broker.cut();
    const states: boolean[] = [];
    link.onState((state) => states.push(state));
    await link.start();
    await vi.waitFor(() => expect(logger.lines).toHaveLength(1));
    await broker.start();
    await vi.waitFor(() => expect(states.at(-1)).toBe(true), 10_000);
    expect(logger.lines.map((line) => [line.level, line.message])).toEqual([
      ['warn', 'broker cannot be reached; trying on'],
      ['info', 'broker is back'],
    ]);
    await link.stop();
    await broker.dispose();
  });

  it('names the reason but no password when the login is refused, and goes on trying', async () => {
    let accept = false;
    const broker = await LoopbackBroker.create({
      authenticate: (_client, _username, _password, done) => done(null, accept),
    });
    await broker.start();
    const logger = new MemoryLogger();
    const link = new MqttClientLink(
      { clock: systemClock, logger },
      { url: broker.url, clientId: 'stranger', username: 'hall', password: 'open-sesame' },
    );
    const states: boolean[] = [];
    link.onState((state) => states.push(state));
    await link.start();
    await vi.waitFor(() => expect(logger.lines).toHaveLength(1));
    expect(logger.lines[0]?.fields.why).toMatch(/not authorized|bad user/i);
    expect(JSON.stringify(logger.lines)).not.toContain('open-sesame');
    accept = true;
    await vi.waitFor(() => expect(states.at(-1)).toBe(true), 10_000);
    await link.stop();
    await broker.dispose();
  });

  it('tells which subscription the broker refuses', async () => {
    const broker = await LoopbackBroker.create({
      authorizeSubscribe: (_client, subscription, done) =>
        done(null, subscription.topic === 'secret' ? null : subscription),
    });
    const logger = new MemoryLogger();
    const link = await linkTo(broker, logger);
    link.subscribe('secret', () => undefined);
    await link.start();
    await vi.waitFor(() => expect(logger.lines.at(-1)?.message).toBe('broker refuses a subscription'));
    expect(logger.lines.at(-1)?.fields.topics).toEqual(['secret']);
    await link.stop();
    await broker.dispose();
  });

  it('leaves its last will when it vanishes and none when it says farewell', async () => {
    const broker = await LoopbackBroker.create();
    await broker.start();
    const link = new MqttClientLink(
      { clock: systemClock, logger: new MemoryLogger() },
      { url: broker.url, clientId: 'sensor', will: { topic: 'sensor/state', payload: 'offline' } },
    );
    const states: boolean[] = [];
    link.onState((state) => states.push(state));
    await link.start();
    await vi.waitFor(() => expect(states.at(-1)).toBe(true));
    await link.stop();
    expect(broker.received).toEqual([]);
    await link.start();
    await vi.waitFor(() => expect(states.at(-1)).toBe(true));
    await broker.cut();
    await vi.waitFor(() => expect(broker.received).toEqual(['sensor/state=offline']));
    await link.stop();
    await broker.dispose();
  });
});
