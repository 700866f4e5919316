import { resolveSite } from '@millwright/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { discoveryTopic, readAnnouncement } from './announcement.ts';
import { ESPHOME, SHELLY, TASMOTA, ZIGBEE2MQTT } from './announcements.fixture.ts';
import { siteEntryOf } from './site-entry.ts';

function draftOf(announcements: Readonly<Record<string, object>>) {
  const read = Object.entries(announcements).map(([topic, payload]) => {
    const parts = discoveryTopic('homeassistant', topic);
    return parts && readAnnouncement(parts, Buffer.from(JSON.stringify(payload)));
  });
  return siteEntryOf(
    read.flatMap((each) => each ?? []),
    'local',
  );
}

/** Throws for what is no device. */
function deviceOf(announcements: Readonly<Record<string, object>>) {
  const { entry, skipped } = draftOf(announcements);
  const [device] = resolveSite({ site: { name: 'entry', text: JSON.stringify([entry]) }, types: [] });
  return { device, skipped };
}

describe('what a device says of itself to Home Assistant', () => {
  it('becomes a device: Zigbee2MQTT', () => {
    const { device, skipped } = deviceOf(ZIGBEE2MQTT);
    expect(device).toMatchObject({
      id: 'cold-store',
      name: 'Cold store',
      connect: { broker: 'local', availability: 'zigbee2mqtt/Cold store/availability' },
      points: {
        temperature: {
          topic: 'zigbee2mqtt/Cold store',
          pick: "$['temperature']",
          as: 'float64',
          unit: 'Cel',
          class: 'measurement',
        },
        contact: { as: 'bool', pick: "$['contact']" },
        reporting_time: {
          as: 'float64',
          command: { topic: 'zigbee2mqtt/Cold store/set/reporting_time' },
          write: { range: [0, 600], role: 'operator' },
        },
      },
    });
    expect(skipped).toEqual([
      expect.stringContaining('Linkquality is in "lqi"'),
      expect.stringContaining('contact counts "true" as off'),
      'update is not carried over: there is no counterpart of "update" here',
    ]);
  });

  it('becomes a device: Tasmota, abbreviated, with a base topic', () => {
    const { device, skipped } = deviceOf(TASMOTA);
    expect(device).toMatchObject({
      id: 'pump-plug',
      connect: { availability: 'tele/plug_A1B2C3/LWT' },
      points: {
        RL_1: {
          topic: 'tele/plug_A1B2C3/STATE',
          as: 'bool',
          command: { topic: 'cmnd/plug_A1B2C3/POWER', on: 'ON', off: 'OFF' },
        },
        ENERGY_Power: { pick: "$['ENERGY']['Power']", unit: 'W' },
        ENERGY_Total: { unit: 'kW.h', class: 'total_increasing' },
      },
    });
    expect(skipped).toEqual(['LED is not carried over: there is no counterpart of "light" here']);
  });

  it('becomes a device: ESPHome, plain payloads', () => {
    const { device, skipped } = deviceOf(ESPHOME);
    expect(device).toMatchObject({
      id: 'boiler-room',
      connect: { availability: 'boiler-room/status' },
      points: {
        water_pressure: { topic: 'boiler-room/sensor/water_pressure/state', as: 'float64', unit: 'bar' },
        mode: { as: 'text', command: { topic: 'boiler-room/select/mode/command' }, write: {} },
      },
    });
    expect(skipped).toEqual([]);
  });

  it('becomes a device: Shelly, all in one message', () => {
    const { device, skipped } = deviceOf(SHELLY);
    expect(device).toMatchObject({
      id: 'fan-plug',
      points: {
        switch_0: { as: 'bool', pick: "$['output']", command: { on: 'on', off: 'off' } },
        temperature: { pick: "$['temperature']['tC']" },
        energy: { pick: "$['aenergy']['total']", scale: 0.001 },
      },
    });
    expect(Object.keys(device?.points ?? {})).not.toContain('overheated');
    expect(skipped).toEqual([
      expect.stringContaining('Overheated has a template that computes'),
      expect.stringContaining('in words of its own'),
    ]);
  });

  it('is data, whatever it says', () => {
    const { device } = deviceOf({
      'homeassistant/sensor/x/__proto__/config': {
        name: 'open all \u202Evalves\n${HOME}',
        stat_t: 'a/b',
        dev: { ids: ['../../etc'], name: '<script>${HOME}</script>' },
      },
      'homeassistant/sensor/x/b/config': { name: 'b', stat_t: 'a/${HOME}', dev: { ids: ['../../etc'] } },
      'homeassistant/sensor/x/c/config': { name: 'c', stat_t: '#', dev: { ids: ['../../etc'] } },
      'homeassistant/sensor/x/d/config': { name: 'd', stat_t: '$SYS/x', dev: { ids: ['../../etc'] } },
    });
    expect(device?.id).toBe('script-home-script');
    expect(Object.keys(device?.points ?? {})).toEqual(['value']);
    expect(Object.values(device?.points ?? {})[0]?.label).toBe('open all valves $ {HOME}');
  });

  it('is left alone when it is nothing of the kind', () => {
    const read = (text: string) => readAnnouncement({ component: 'sensor', object: 'x' }, Buffer.from(text));
    for (const text of [
      '',
      'null',
      '[]',
      '{',
      '1',
      '{"stat_t": 5}',
      '"homeassistant"',
      `{"a":"${'x'.repeat(70_000)}"}`,
    ]) {
      expect(read(text)).toBeUndefined();
    }
    for (const topic of [
      'homeassistant/status',
      'homeassistant/a/config',
      'homeassistant/a/b/c/d/config',
      'other/a/b/config',
    ]) {
      expect(discoveryTopic('homeassistant', topic)).toBeUndefined();
    }
  });

  it('is a device or nothing, never an error', () => {
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom('~', '~/a', 'a/b', '{{ value }}', 'ON', '°C', 'measurement'),
    );
    const keys = fc.constantFrom(
      'stat_t',
      'val_tpl',
      'name',
      'cmd_t',
      'unit_of_meas',
      'stat_cla',
      'pl_on',
      'pl_off',
      '~',
      'avty_t',
    );
    fc.assert(
      fc.property(
        fc.constantFrom('sensor', 'switch', 'number', 'select', 'binary_sensor'),
        fc.string({ minLength: 1 }),
        fc.dictionary(keys, word),
        (component, object, payload) => {
          const announced = readAnnouncement({ component, object }, Buffer.from(JSON.stringify(payload)));
          const { entry } = siteEntryOf(announced === undefined ? [] : [announced], 'local');
          if (entry !== undefined)
            resolveSite({ site: { name: 'x', text: JSON.stringify([entry]) }, types: [] });
        },
      ),
      { numRuns: 300 },
    );
  });
});
