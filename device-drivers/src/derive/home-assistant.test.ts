import { describe, expect, it } from 'vitest';
import { aSite, named } from './derive.fixture.ts';
import { type HomeAssistantOptions, homeAssistantConfigs } from './home-assistant.ts';
import { homeAssistantUnit, ucumOfHomeAssistant } from './home-assistant-units.ts';
import {
  DEFAULT_AVAILABILITY_TOPIC,
  DEFAULT_POINT_TOPIC,
  DEFAULT_PRESENCE_TOPIC,
  fillTopic,
} from './topic-template.ts';

const site = await aSite();
const OPTIONS: HomeAssistantOptions = {
  site: 'works',
  gateway: 'gw1',
  topics: {
    point: DEFAULT_POINT_TOPIC,
    availability: DEFAULT_AVAILABILITY_TOPIC,
    presence: DEFAULT_PRESENCE_TOPIC,
  },
  commands: false,
};

describe('what Home Assistant is told of a device', () => {
  it('is one message, with an entity for every point', () => {
    const spec = named(site, 'meter-7');
    const [config, ...more] = homeAssistantConfigs(spec, OPTIONS);
    expect(more).toEqual([]);
    expect(config?.topic).toBe('homeassistant/device/millwright_works_meter-7/config');
    expect(Object.keys(config?.payload.cmps ?? {})).toHaveLength(Object.keys(spec.points).length);
    expect(config?.payload.cmps.voltage_l1).toEqual({
      p: 'sensor',
      name: 'Voltage L1',
      uniq_id: 'millwright_works_meter-7_voltage_l1',
      stat_t: 'mw/works/meter-7/voltage_l1',
      val_tpl: '{{ value_json.v }}',
      unit_of_meas: 'V',
      dev_cla: 'voltage',
      stat_cla: 'measurement',
      avty: [
        { t: 'mw/works/$gateway/gw1' },
        { t: 'mw/works/meter-7' },
        {
          t: 'mw/works/meter-7/voltage_l1',
          val_tpl: "{{ value_json.q != 'bad' }}",
          pl_avail: 'True',
          pl_not_avail: 'False',
        },
      ],
      avty_mode: 'all',
    });
  });

  it('is parted where a device has very many points, into messages a broker takes', () => {
    const spec = named(site, 'meter-7');
    const point = Object.values(spec.points)[0];
    const points = Object.fromEntries(Array.from({ length: 600 }, (_, no) => [`p${no}`, point]));
    const configs = homeAssistantConfigs(Object.assign({ ...spec }, { points }), OPTIONS);
    expect(configs.length).toBeGreaterThan(1);
    expect(configs.every(({ payload }) => JSON.stringify(payload).length < 64 * 1024)).toBe(true);
    expect(new Set(configs.map(({ topic }) => topic)).size).toBe(configs.length);
    expect(configs.flatMap(({ payload }) => Object.keys(payload.cmps))).toHaveLength(600);
  });

  it('keeps points apart that differ in a dot only', () => {
    const spec = named(site, 'meter-7');
    const [point] = Object.values(spec.points);
    const configs = homeAssistantConfigs(
      Object.assign({ ...spec }, { points: { 'a.b': point, a_b: point } }),
      OPTIONS,
    );
    expect(Object.keys(configs[0]?.payload.cmps ?? {})).toEqual(['a_b', 'a_b_2']);
  });

  it('gives a device class only where unit and behaviour allow one', () => {
    const of = (unit: string | undefined, name: string, isCounter = false) =>
      homeAssistantUnit(unit, { name, isCounter });
    expect(of('kW.h', 'energy', true)).toEqual({ unit: 'kWh', deviceClass: 'energy' });
    expect(of('kW.h', 'energy')).toEqual({ unit: 'kWh' });
    expect(of('%', 'valve')).toEqual({ unit: '%' });
    expect(of('%', 'Room humidity')).toEqual({ unit: '%', deviceClass: 'humidity' });
    expect(of(undefined, 'Power factor')).toEqual({ deviceClass: 'power_factor' });
    expect(of('mol/L', 'x')).toEqual({ unit: 'mol/L' });
    expect(of('1', 'x')).toEqual({});
  });

  it('knows its units in both directions', () => {
    for (const unit of ['Cel', 'kW.h', 'm3/h', 'V', '%', 'By/s']) {
      expect(ucumOfHomeAssistant(homeAssistantUnit(unit, { name: '', isCounter: false }).unit ?? '')).toBe(
        unit,
      );
    }
    expect(ucumOfHomeAssistant('lqi')).toBeUndefined();
  });
});

it('says which variable of a topic nothing is known for', () => {
  expect(() => fillTopic('a/{point}', { device: 'x' })).toThrow(
    expect.objectContaining({ code: 'TOPIC_VARIABLE' }),
  );
});
