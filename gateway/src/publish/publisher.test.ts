import { bad } from '@millwright/protocol';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BrokerFixture } from '../broker/broker.fixture.ts';
import { LocalBrokerLink } from '../broker/local-link.ts';
import { PublishConfig } from './config.ts';
import { PublisherFixture, pump } from './publisher.fixture.ts';

const FAST = { json: { every: '20ms' } };
const soon = { timeout: 30_000, interval: 20 };

describe('plain JSON topics', () => {
  let broker: BrokerFixture;
  let link: LocalBrokerLink;
  let world: PublisherFixture;
  const heard = new Map<string, string>();
  const messages: string[] = [];

  beforeEach(async () => {
    heard.clear();
    messages.length = 0;
    broker = await BrokerFixture.started({ dev: true });
    link = new LocalBrokerLink({ broker: broker.broker });
    await link.start();
    link.subscribe('mw/#', (topic, payload) => {
      heard.set(topic, Buffer.from(payload).toString());
      messages.push(topic);
    });
  });
  afterEach(async () => {
    await world.publisher.stop();
    await link.stop();
    await broker.dispose();
  });

  async function start(publish: object = FAST): Promise<void> {
    world = new PublisherFixture(link, publish);
    world.setDevices(pump());
    await world.publisher.start();
  }
  const json = (topic: string): unknown => JSON.parse(heard.get(topic) ?? 'null');
  const until = (check: () => void) => vi.waitFor(check, soon);

  it('publishes a point with its quality, time and unit', async () => {
    await start();
    const beforeMs = Date.now();
    world.send('pump-1', 'flow', Math.fround(12.4));
    world.send('pump-1', 'running', true);
    world.send('pump-1', 'serial', 'A "7"');
    await until(() => expect(json('mw/works/pump-1/serial')).toMatchObject({ v: 'A "7"', q: 'good' }));
    expect(json('mw/works/pump-1/flow')).toEqual({ v: 12.4, q: 'good', t: expect.any(Number), u: 'm3/h' });
    expect(Reflect.get(Object(json('mw/works/pump-1/flow')), 't')).toBeGreaterThanOrEqual(beforeMs);
    expect(json('mw/works/pump-1/running')).toMatchObject({ v: true });
    expect(heard.get('mw/works/$gateway/gw1')).toBe('online');
  });

  it('says why there is no value, and keeps what JSON cannot say as text', async () => {
    await start();
    world.send('pump-1', 'flow', null, bad('timeout'));
    world.send('pump-1', 'energy', Number.NaN);
    world.send('pump-1', 'speed', 2n ** 60n);
    await until(() => expect(json('mw/works/pump-1/speed')).toMatchObject({ v: '1152921504606846976' }));
    expect(json('mw/works/pump-1/flow')).toMatchObject({ v: null, q: 'bad', why: 'timeout' });
    expect(json('mw/works/pump-1/energy')).toMatchObject({ v: 'NaN' });
  });

  it('publishes only the newest of many values, and nothing while nobody is there', async () => {
    await start();
    await until(() => expect(heard.get('mw/works/pump-1')).toBe('online'));
    world.hasAudience = false;
    for (let i = 0; i < 1000; i++) world.send('pump-1', 'flow', i);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(heard.has('mw/works/pump-1/flow')).toBe(false);
    world.hasAudience = true;
    await until(() => expect(json('mw/works/pump-1/flow')).toMatchObject({ v: 999 }));
    expect(messages.filter((topic) => topic === 'mw/works/pump-1/flow')).toHaveLength(1);
  });

  it('publishes no more in a second than it may, and in the end everything', async () => {
    await start({ json: { every: '20ms', perSecond: 100 } });
    const ids = ['flow', 'energy', 'running', 'speed', 'enable', 'serial'];
    for (const id of ids) world.send('pump-1', id, 1);
    await until(() => expect(ids.every((id) => heard.has(`mw/works/pump-1/${id}`))).toBe(true));
    expect(world.publisher.published).toBe(6);
  });

  it('keeps values for those who come later, and takes them back with their device', async () => {
    await start();
    world.send('pump-1', 'flow', 3);
    await until(() => expect(heard.has('mw/works/pump-1/flow')).toBe(true));
    const later = await broker.connect();
    await later.mqtt.subscribeAsync('mw/#');
    await until(() =>
      expect(later.received.some((line) => line.startsWith('mw/works/pump-1/flow={"v":3'))).toBe(true),
    );
    world.setDevices();
    await until(() => expect(heard.get('mw/works/pump-1/flow')).toBe(''));
    expect(heard.get('mw/works/pump-1')).toBe('');
  });

  it('tells which devices are reachable, and that the gateway goes', async () => {
    await start();
    await until(() => expect(heard.get('mw/works/pump-1')).toBe('online'));
    world.setOnline('pump-1', false);
    await until(() => expect(heard.get('mw/works/pump-1')).toBe('offline'));
    await world.publisher.stop();
    expect(heard.get('mw/works/$gateway/gw1')).toBe('offline');
  });

  it('goes on without retaining when the broker is full', async () => {
    await broker.dispose();
    await link.stop();
    broker = await BrokerFixture.started({ dev: true, limits: { retainedMessages: 3 } });
    link = new LocalBrokerLink({ broker: broker.broker });
    await link.start();
    link.subscribe('mw/#', (topic, payload) => heard.set(topic, Buffer.from(payload).toString()));
    await start({ ...FAST, homeAssistant: false });
    for (const id of ['flow', 'energy', 'running', 'speed']) world.send('pump-1', id, 1);
    await until(() => expect(heard.has('mw/works/pump-1/speed')).toBe(true));
    expect(world.logger.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });

  it('follows a template', async () => {
    await start({
      json: { every: '20ms', topic: 'plant/{gateway}/{device}/p/{point}/v', availability: 'up/{device}' },
    });
    const got: string[] = [];
    link.subscribe('plant/#', (topic) => got.push(topic));
    world.send('pump-1', 'flow', 1);
    await until(() => expect(got).toEqual(['plant/gw1/pump-1/p/flow/v']));
  });
});

describe('the configuration of publishing', () => {
  const problem = (value: object) => PublishConfig.safeParse(value).error?.issues[0]?.message ?? 'none';

  it('is on by itself, without commands', () => {
    expect(PublishConfig.parse({})).toMatchObject({
      broker: 'local',
      json: { topic: 'mw/{site}/{device}/{point}', retain: true },
      homeAssistant: { prefix: 'homeassistant' },
    });
    expect(PublishConfig.parse({ json: false })).toMatchObject({ json: false, homeAssistant: false });
  });

  it('refuses topics that mix points up or reach too far', () => {
    expect(problem({ json: { topic: 'mw/{device}' } })).toContain('{point}');
    expect(problem({ json: { topic: 'mw/{device}-{point}' } })).toContain('level of its own');
    expect(problem({ json: { topic: 'mw/+/{device}/{point}' } })).toContain('"+"');
    expect(problem({ json: { topic: '$SYS/{device}/{point}' } })).toContain('"$"');
    expect(problem({ json: { topic: 'mw//{device}/{point}' } })).toContain('empty');
    expect(problem({ json: { topic: 'mw/{devcie}/{point}' } })).toContain('{devcie}');
    expect(problem({ json: { availability: 'mw/{device}/{point}' } })).toContain('must not contain {point}');
    expect(problem({ json: false, homeAssistant: {} })).toContain('needs "json"');
  });
});
