import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MqttLink } from '@millwright/device-drivers';
import { MqttClientLink } from '@millwright/device-drivers/mqtt-link';
import { bad } from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node';
import { MemoryLogger } from '@millwright/protocol/testing';
import { connectAsync } from 'mqtt';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BrokerFixture } from '../../broker/broker.fixture.ts';
import { LocalBrokerLink } from '../../broker/local-link.ts';
import { PublisherFixture, pump } from '../publisher.fixture.ts';
import { HomeAssistant } from './home-assistant.fixture.ts';

const MOSQUITTO = '/usr/sbin/mosquitto';
const hasMosquitto = await access(MOSQUITTO).then(
  () => true,
  () => false,
);
const OPERATOR = { json: { every: '20ms' }, homeAssistant: { role: 'operator' } };
const READ_ONLY = { json: { every: '20ms' } };
const ID = 'millwright_works_pump-1';

interface Peer {
  readonly url: string;
  readonly link: MqttLink;
  dispose(): Promise<void>;
}

async function ownBroker(): Promise<Peer> {
  const broker = await BrokerFixture.started({ dev: true });
  const link = new LocalBrokerLink({ broker: broker.broker });
  return {
    url: `mqtt://127.0.0.1:${broker.port}`,
    link,
    dispose: async () => {
      await link.stop();
      await broker.dispose();
    },
  };
}

async function mosquitto(): Promise<Peer> {
  const folder = await mkdtemp(join(tmpdir(), 'millwright-mosquitto-'));
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  server.close();
  await once(server, 'close');
  await writeFile(join(folder, 'm.conf'), `listener ${port} 127.0.0.1\nallow_anonymous true\n`);
  const child: ChildProcess = spawn(MOSQUITTO, ['-c', join(folder, 'm.conf')], { stdio: 'ignore' });
  const url = `mqtt://127.0.0.1:${port}`;
  const probe = await vi.waitFor(() => connectAsync(url, { reconnectPeriod: 0 }), { timeout: 30_000 });
  await probe.endAsync(true);
  const link = new MqttClientLink(
    { clock: systemClock, logger: new MemoryLogger() },
    { url, clientId: 'mw' },
  );
  return {
    url,
    link,
    dispose: async () => {
      await link.stop();
      child.kill('SIGKILL');
      await once(child, 'exit');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

describe.each([
  { name: "the gateway's own broker", open: ownBroker, isThere: true },
  { name: 'mosquitto', open: mosquitto, isThere: hasMosquitto },
])('Home Assistant on $name', ({ open, isThere }) => {
  let peer: Peer;
  let world: PublisherFixture;
  let home: HomeAssistant | undefined;

  beforeEach(async (context) => {
    if (!isThere) return context.skip(`needs ${MOSQUITTO}, which is not installed here`);
    peer = await open();
    await peer.link.start();
  });
  afterEach(async () => {
    expect(home?.problems ?? []).toEqual([]);
    await home?.stop();
    home = undefined;
    await world?.publisher.stop();
    await peer?.dispose();
  });

  async function start(publish: object = OPERATOR): Promise<void> {
    world = new PublisherFixture(peer.link, publish);
    world.setDevices(pump());
    await world.publisher.start();
  }
  const until = (check: () => void) => vi.waitFor(check, { timeout: 30_000, interval: 20 });
  const shows = (id: string, state: string) => until(() => expect(home?.state(`${id}`)).toBe(state));

  it('shows a device with its values and units, whoever starts first', async () => {
    home = await HomeAssistant.started(peer.url);
    await start();
    world.send('pump-1', 'flow', 12.5);
    world.send('pump-1', 'energy', 4711.5);
    world.send('pump-1', 'running', true);
    world.send('pump-1', 'speed', 1450);
    await shows(`sensor.${ID}_flow`, '12.5 m³/h');
    await shows(`sensor.${ID}_energy`, '4711.5 kWh');
    await shows(`binary_sensor.${ID}_running`, 'on');
    await shows(`number.${ID}_speed`, '1450 rpm');
    expect(home.state(`switch.${ID}_enable`)).toBe('unavailable');
    expect([...home.devices.values()]).toEqual([
      { identifiers: [ID], name: 'Feed pump', manufacturer: 'Millwright' },
    ]);
    expect(home.config(`sensor.${ID}_energy`)).toMatchObject({
      device_class: 'energy',
      state_class: 'total_increasing',
    });

    await home.stop();
    const problems = home.problems;
    home = await HomeAssistant.started(peer.url);
    await shows(`sensor.${ID}_flow`, '12.5 m³/h');
    expect(problems).toEqual([]);
  });

  it('never shows a value that is not one', async () => {
    home = await HomeAssistant.started(peer.url);
    await start();
    world.send('pump-1', 'flow', 3);
    await shows(`sensor.${ID}_flow`, '3 m³/h');
    world.send('pump-1', 'flow', null, bad('timeout'));
    await shows(`sensor.${ID}_flow`, 'unavailable');
    world.send('pump-1', 'flow', 4);
    await shows(`sensor.${ID}_flow`, '4 m³/h');
    world.setOnline('pump-1', false);
    await shows(`sensor.${ID}_flow`, 'unavailable');
    world.setOnline('pump-1', true);
    await shows(`sensor.${ID}_flow`, '4 m³/h');
    await world.publisher.stop();
    await shows(`sensor.${ID}_flow`, 'unavailable');
  });

  it('sends commands the way of all commands, and shows what became of them', async () => {
    home = await HomeAssistant.started(peer.url);
    await start();
    world.send('pump-1', 'speed', 1450);
    world.send('pump-1', 'enable', false);
    await shows(`number.${ID}_speed`, '1450 rpm');
    await shows(`switch.${ID}_enable`, 'off');
    await home.set(`number.${ID}_speed`, '1500');
    await home.set(`switch.${ID}_enable`, 'on');
    await until(() => expect(world.commands).toHaveLength(2));
    expect(world.commands[0]).toMatchObject({
      device: 'pump-1',
      point: 'speed',
      value: 1500,
      by: { name: 'home-assistant', role: 'operator' },
    });
    expect(world.commands[1]).toMatchObject({ point: 'enable', value: true });
    const { issuedAtMs = 0, expiresAtMs = 0 } = world.commands[0] ?? {};
    expect(expiresAtMs - issuedAtMs).toBe(10_000);
    expect(home.config(`number.${ID}_speed`)).toMatchObject({ min: 0, max: 2900, step: 1 });
  });

  it('shows again what a point is when a command was refused', async () => {
    home = await HomeAssistant.started(peer.url);
    await start();
    world.send('pump-1', 'speed', 1450);
    await shows(`number.${ID}_speed`, '1450 rpm');
    const seen: string[] = [];
    peer.link.subscribe('mw/works/pump-1/speed', (_topic, payload) =>
      seen.push(Buffer.from(payload).toString()),
    );
    await until(() => expect(seen).toHaveLength(1));
    world.answer = { result: 'refused', message: 'the door is open' };
    await home.set(`number.${ID}_speed`, '1500');
    await until(() => expect(seen).toHaveLength(2));
    expect(seen[1]).toContain('"v":1450');
    expect(world.logger.lines.at(-1)?.message).toContain('the door is open');
  });

  it('speaks of values by their labels', async () => {
    home = await HomeAssistant.started(peer.url);
    await start();
    world.send('pump-1', 'mode', 0);
    world.send('pump-1', 'phase', 1);
    await shows(`select.${ID}_mode`, 'off');
    await shows(`sensor.${ID}_phase`, 'pumping');
    world.send('pump-1', 'phase', 7);
    await shows(`sensor.${ID}_phase`, 'unknown');
    await home.set(`select.${ID}_mode`, 'auto');
    await until(() => expect(world.commands.map(({ value }) => value)).toEqual([1]));
  });

  it('is not given topics for commands unless a role is configured', async () => {
    home = await HomeAssistant.started(peer.url);
    await start(READ_ONLY);
    world.send('pump-1', 'speed', 1450);
    await shows(`sensor.${ID}_speed`, '1450 rpm');
    expect(home.ids.filter((id) => !/^(binary_)?sensor\./.test(id))).toEqual([]);
    await home.publish('mw/works/pump-1/speed/set', '2000');
    world.send('pump-1', 'speed', 1451);
    await shows(`sensor.${ID}_speed`, '1451 rpm');
    expect(world.commands).toEqual([]);
  });

  it('takes no retained message and no nonsense for a command', async () => {
    home = await HomeAssistant.started(peer.url);
    await home.publish('mw/works/pump-1/speed/set', '2000', { retain: true });
    await start();
    await until(() =>
      expect(world.logger.lines.some(({ message }) => /retained message/.test(message))).toBe(true),
    );
    for (const text of ['', 'open all valves', 'NaN', '1e999', 'x'.repeat(5000)]) {
      await home.publish('mw/works/pump-1/speed/set', text);
    }
    await home.publish('mw/works/pump-1/flow/set', '1');
    await home.publish('mw/works/other/speed/set', '1');
    await home.publish('mw/works/pump-1/speed/set', '42');
    await until(() => expect(world.commands.map(({ value }) => value)).toEqual([42]));
  });

  it('is told of no more points than it may be, and the log says so', async () => {
    home = await HomeAssistant.started(peer.url);
    await start({ json: { every: '20ms' }, homeAssistant: { maxEntities: 10 } });
    world.setDevices(pump(), pump('pump-2'));
    const complaints = () => world.logger.lines.filter(({ fields }) => fields.left === 1);
    await until(() => expect(complaints()).toHaveLength(1));
    await until(() => expect(home?.devices.size).toBe(1));
  });

  it('forgets a device that goes, and one that went while the gateway was away', async () => {
    home = await HomeAssistant.started(peer.url);
    await start();
    world.setDevices(pump(), pump('pump-2'));
    await until(() => expect(home?.devices.size).toBe(2));
    world.setDevices(pump('pump-2'));
    await until(() => expect(home?.ids.every((id) => id.includes('pump-2'))).toBe(true));
    expect(home.ids).toHaveLength(8);

    await world.publisher.stop();
    const other = JSON.stringify({ dev: { ids: 'x' }, o: { name: 'somebody else' }, cmps: {} });
    await home.publish('homeassistant/device/other/config', other.replace('"x"', '"x","name":"X"'), {
      retain: true,
    });
    world = new PublisherFixture(peer.link, OPERATOR);
    world.setDevices(pump('pump-3'));
    await world.publisher.start();
    await until(() =>
      expect([...(home?.devices.keys() ?? [])].sort()).toEqual([
        'homeassistant/device/millwright_works_pump-3/config',
        'homeassistant/device/other/config',
      ]),
    );
  });
});
