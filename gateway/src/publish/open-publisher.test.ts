import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { systemClock } from '@millwright/protocol/node';
import { MemoryLogger } from '@millwright/protocol/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BrokerFixture, type TestClient } from '../broker/broker.fixture.ts';
import { LocalBrokerLink } from '../broker/local-link.ts';
import { LiveLane } from '../points/live-lane.ts';
import { PublishConfig } from './config.ts';
import { type OpenPublisherDeps, openPublisher } from './open-publisher.ts';

describe("publishing to somebody else's broker", () => {
  let broker: BrokerFixture;
  let reader: TestClient;
  let way: Server;
  const sockets = new Set<Socket>();

  beforeEach(async () => {
    broker = await BrokerFixture.started();
    reader = await broker.connectAs('reader', { subscribe: ['mw/#'] });
    await reader.mqtt.subscribeAsync('mw/#');
    way = createServer((socket) => {
      const there = connect(broker.port, '127.0.0.1');
      sockets.add(socket);
      socket.pipe(there).pipe(socket);
      socket.on('error', () => there.destroy());
      there.on('error', () => socket.destroy());
      socket.on('close', () => there.destroy());
    });
    way.listen(0, '127.0.0.1');
    await once(way, 'listening');
  });
  afterEach(async () => {
    way.close();
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    await broker.dispose();
  });

  const until = (check: () => void) => vi.waitFor(check, { timeout: 30_000, interval: 20 });

  function deps(password: string | undefined): OpenPublisherDeps {
    return {
      clock: systemClock,
      logger: new MemoryLogger(),
      news: new LiveLane(),
      points: { copyNewest: () => false },
      devices: { devices: () => new Map(), statuses: () => [], onChanged: () => () => undefined },
      commands: async () => ({ id: '', result: 'refused', message: '', atMs: 0 }),
      names: { site: 'works', gateway: 'gw1', version: '1' },
      local: { link: new LocalBrokerLink({ broker: broker.broker }), hasClients: () => false },
      secret: () => password,
    };
  }
  function config(more: object) {
    const { json, ...rest } = PublishConfig.parse({
      broker: `mqtt://127.0.0.1:${(way.address() as AddressInfo).port}`,
      ...more,
    });
    if (json === false) throw new TypeError('a publisher without topics');
    return { ...rest, json };
  }

  it('signs in, and leaves a last will for when it vanishes', async () => {
    const { password } = await broker.credentials.add({
      username: 'gw1',
      publish: ['mw/#', 'homeassistant/#'],
      subscribe: ['homeassistant/#'],
    });
    const opened = await openPublisher(deps(password), config({ username: 'gw1', passwordEnv: 'SECRET' }));
    for (const part of opened.parts) await part.start();
    await until(() => expect(reader.received).toContain('mw/works/$gateway/gw1=online'));
    for (const socket of sockets) socket.destroy();
    await until(() => expect(reader.received).toContain('mw/works/$gateway/gw1=offline'));
    await until(() => expect(reader.received.at(-1)).toBe('mw/works/$gateway/gw1=online'));
    for (const part of [...opened.parts].reverse()) await part.stop();
  });

  it('says which variable with the password is missing', async () => {
    await expect(openPublisher(deps(undefined), config({ passwordEnv: 'SECRET' }))).rejects.toMatchObject({
      code: 'PASSWORD_MISSING',
      message: expect.stringContaining('SECRET'),
    });
  });
});
