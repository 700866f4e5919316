import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { connectAsync } from 'mqtt';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { LoopbackBroker } from '../../mqtt/loopback-broker.fixture.ts';
import { Room } from '../machines/room.ts';
import { shippedType } from '../shipped-types.ts';
import { MqttStation } from './mqtt-station.ts';

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const each of cleanUp.splice(0).reverse()) await each();
});

async function office() {
  const broker = await LoopbackBroker.create();
  await broker.start();
  cleanUp.push(() => broker.dispose());
  const machine = new Room({ seed: 1, name: 'office', startMs: 0 });
  for (let i = 0; i < 10; i++) machine.step();
  const type = await shippedType('room-thermostat@1', 'mqtt');
  const clock = new MemoryClock();
  const station = new MqttStation(
    { clock, logger: new MemoryLogger(), machine, type },
    { broker: broker.url, clientId: 'station', base: 'rooms/office' },
  );
  cleanUp.push(() => station.stop());
  const client = await connectAsync(broker.url);
  cleanUp.push(() => client.endAsync(true));
  const heard: string[] = [];
  client.on('message', (topic, payload) => heard.push(`${topic}=${payload.toString()}`));
  await client.subscribeAsync('rooms/#', { qos: 1 });
  const state = () => {
    const line = heard.findLast((each) => each.startsWith('rooms/office/state='));
    return line === undefined ? undefined : JSON.parse(line.slice(line.indexOf('=') + 1));
  };
  return { broker, station, client, heard, state, clock, machine };
}

describe('simulated MQTT device', () => {
  it('announces itself and tells its values as one JSON document', async () => {
    const { station, heard, state, machine } = await office();
    await station.start();
    await vi.waitFor(() => expect(state()).toBeDefined());
    expect(heard).toContain('rooms/office/availability=online');
    expect(state()).toEqual({
      temperature: machine.values.temperature?.(),
      humidity: machine.values.humidity?.(),
      setpoint: 21,
      relay: machine.values.relay?.(),
      automatic: true,
    });
  });

  it('obeys its command topics and tells the outcome at once', async () => {
    const { station, client, state } = await office();
    await station.start();
    await vi.waitFor(() => expect(state()).toBeDefined());
    await client.publishAsync('rooms/office/set/setpoint', '22.5');
    await vi.waitFor(() => expect(state()).toMatchObject({ setpoint: 22.5 }));
    await client.publishAsync('rooms/office/set/relay', 'true');
    await vi.waitFor(() => expect(state()).toMatchObject({ relay: true, automatic: false }));
    await client.publishAsync('rooms/office/set/setpoint', '99');
    await client.publishAsync('rooms/office/set/relay', 'off');
    await vi.waitFor(() => expect(state()).toMatchObject({ relay: false, setpoint: 22.5 }));
  });

  it('tells at its interval, and at once when a switch moved', async () => {
    const { station, heard, state, clock, machine } = await office();
    await station.start();
    await vi.waitFor(() => expect(state()).toBeDefined());
    const told = () => heard.filter((line) => line.startsWith('rooms/office/state=')).length;
    const before = told();
    await clock.advance(5_000);
    await vi.waitFor(() => expect(told()).toBe(before + 1));
    machine.step();
    station.moved();
    await vi.waitFor(() => expect(told()).toBe(before + 2));
    machine.step();
    station.moved();
    machine.commands.relay?.(machine.values.relay?.() !== true);
    station.moved();
    await vi.waitFor(() => expect(told()).toBe(before + 3));
  });

  it('says that it goes, and its last will says it when it cannot', async () => {
    const { broker, station, heard, state } = await office();
    await station.start();
    await vi.waitFor(() => expect(state()).toBeDefined());
    await station.stop();
    await vi.waitFor(() => expect(heard.at(-1)).toBe('rooms/office/availability=offline'));
    await station.start();
    await vi.waitFor(() => expect(heard).toContain('rooms/office/availability=online'));
    await broker.cut();
    await vi.waitFor(() => expect(broker.received.at(-1)).toBe('rooms/office/availability=offline'));
  });
});
