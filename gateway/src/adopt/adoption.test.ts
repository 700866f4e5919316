import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DeviceSpec, InlineDevice, UnavailableError } from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node';
import { MemoryLogger } from '@millwright/protocol/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BrokerFixture, type TestClient } from '../broker/broker.fixture.ts';
import { LocalBrokerLink } from '../broker/local-link.ts';
import { AdoptedDevices } from '../devices/adopted-devices.ts';
import { Adoption } from './adoption.ts';
import { AdoptConfig } from './config.ts';
import { ESPHOME, SHELLY, TASMOTA, ZIGBEE2MQTT } from './home-assistant/announcements.fixture.ts';

const until = (check: () => void) => vi.waitFor(check, { timeout: 30_000, interval: 20 });

describe('adopting devices that announce themselves', () => {
  let folder: string;
  let broker: BrokerFixture;
  let link: LocalBrokerLink;
  let adopted: AdoptedDevices;
  let adoption: Adoption;
  let device: TestClient;
  let applied: string[][];
  let refuses: boolean;
  let logger: MemoryLogger;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millwright-adopt-'));
    broker = await BrokerFixture.started({ dev: true });
    link = new LocalBrokerLink({ broker: broker.broker });
    await link.start();
    device = await broker.connect();
    applied = [];
    refuses = false;
    await begin();
  });
  afterEach(async () => {
    await adoption.stop();
    await link.stop();
    await broker.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  async function begin(config: object = {}): Promise<void> {
    logger = new MemoryLogger();
    adopted = new AdoptedDevices({ clock: systemClock, logger }, { path: join(folder, 'adopted.json') });
    await adopted.load();
    adoption = new Adoption(
      {
        ...{ clock: systemClock, logger, link, broker: broker.broker, adopted },
        isConfigured: (id) => id === 'boiler-room',
        apply: async () => {
          if (refuses) throw new UnavailableError('CATALOG', 'no new points can be numbered');
          applied.push(adopted.withAdopted([]).map(({ id }) => id));
        },
      },
      AdoptConfig.parse(config),
    );
    await adoption.start();
  }
  async function announce(announcements: Readonly<Record<string, object>>): Promise<void> {
    for (const [topic, payload] of Object.entries(announcements)) {
      await device.mqtt.publishAsync(topic, JSON.stringify(payload), { qos: 1, retain: true });
    }
  }
  const waiting = () => adoption.pending.list().map(({ id }) => id);

  it('has them wait, one line each, with what cannot be carried over', async () => {
    await announce({ ...ZIGBEE2MQTT, ...TASMOTA, ...ESPHOME, ...SHELLY });
    await until(() => expect(waiting()).toEqual(['cold-store', 'pump-plug', 'boiler-room-2', 'fan-plug']));
    expect(adoption.pending.get('cold-store')).toMatchObject({
      source: 'home-assistant',
      name: 'Cold store',
      maker: 'Aqara',
      model: 'Temperature and humidity sensor (WSDCGQ11LM)',
    });
    expect(adoption.pending.get('cold-store')?.skipped).toHaveLength(3);
    expect(applied).toEqual([]);
  });

  it('finds a device once that announces itself and sends messages nobody reads yet', async () => {
    await announce(TASMOTA);
    await until(() => expect(waiting()).toEqual(['pump-plug']));
    await device.mqtt.publishAsync('tele/plug_A1B2C3/STATE', '{"POWER":"ON"}', { qos: 1 });
    await device.mqtt.publishAsync('tele/plug_A1B2C3/LWT', 'Online', { qos: 1 });
    await device.mqtt.publishAsync('hall/th', '{"temperature":21.5}', { qos: 1 });
    await until(() => expect(waiting()).toHaveLength(2));
    expect(waiting()).not.toContain('tele');
    expect(adoption.pending.list().map(({ source }) => source)).toEqual(['home-assistant', 'mqtt']);
  });

  it('makes one a device for good when somebody says so', async () => {
    await announce(TASMOTA);
    await until(() => expect(waiting()).toEqual(['pump-plug']));
    expect(await adoption.pending.adopt('pump-plug', { as: 'pump-1' })).toBe('pump-1');
    expect(applied).toEqual([['pump-1']]);
    expect(waiting()).toEqual([]);

    await adoption.stop();
    await begin();
    await announce(ESPHOME);
    await until(() => expect(waiting()).toEqual(['boiler-room-2']));
    expect(adopted.withAdopted([]).map(({ id, name }) => [id, name])).toEqual([['pump-1', 'Pump plug']]);
  });

  it('gives a device back that cannot be run', async () => {
    refuses = true;
    await announce(TASMOTA);
    await until(() => expect(waiting()).toEqual(['pump-plug']));
    await expect(adoption.pending.adopt('pump-plug')).rejects.toMatchObject({ code: 'CATALOG' });
    expect(waiting()).toEqual(['pump-plug']);
    expect(adopted.hasId('pump-plug')).toBe(false);
  });

  it('forgets a device that takes its announcements back, entity by entity', async () => {
    await announce(ESPHOME);
    await until(() => expect(waiting()).toEqual(['boiler-room-2']));
    const [first = '', second = ''] = Object.keys(ESPHOME);
    await device.mqtt.publishAsync(first, '', { qos: 1, retain: true });
    await until(() =>
      expect(Object.keys(Object(adoption.pending.get('boiler-room-2')?.entry?.points))).toEqual(['mode']),
    );
    await device.mqtt.publishAsync(second, '', { qos: 1, retain: true });
    await until(() => expect(waiting()).toEqual([]));
  });

  it('takes no gateway of our kind for a device, and no more devices than it has room for', async () => {
    await adoption.stop();
    await begin({ maxPending: 2 });
    await announce({
      'homeassistant/device/millwright_works_pump-1/config': {
        dev: { ids: ['millwright_works_pump-1'], name: 'Pump' },
        o: { name: 'Millwright gw1' },
        cmps: { flow: { p: 'sensor', stat_t: 'mw/works/pump-1/flow', uniq_id: 'f' } },
      },
      ...Object.fromEntries(
        [1, 2, 3].map((no) => [
          `homeassistant/sensor/s${no}/t/config`,
          { stat_t: `s${no}/t`, name: `S${no}`, dev: { ids: [`s${no}`], name: `S${no}` } },
        ]),
      ),
    });
    await until(() => expect(adoption.pending.refused).toBe(1));
    expect(waiting()).toEqual(['s1', 's2']);
  });

  it('reads the site file rather than an adopted device of the same id', async () => {
    await announce(TASMOTA);
    await until(() => expect(waiting()).toEqual(['pump-plug']));
    await adoption.pending.adopt('pump-plug');
    const own: DeviceSpec = InlineDevice.parse({ id: 'pump-plug', driver: 'host', points: {} });
    expect(adopted.withAdopted([own])).toEqual([own]);
    expect(logger.lines.at(-1)).toMatchObject({ level: 'warn', fields: { device: 'pump-plug' } });
  });

  it('says what is wrong with a damaged list', async () => {
    await announce(TASMOTA);
    await until(() => expect(waiting()).toEqual(['pump-plug']));
    await adoption.pending.adopt('pump-plug');
    const path = join(folder, 'adopted.json');
    writeFileSync(path, readFileSync(path, 'utf8').slice(0, 40));
    const damaged = new AdoptedDevices({ clock: systemClock, logger }, { path });
    await expect(damaged.load()).rejects.toMatchObject({ code: 'ADOPTED_INVALID' });
  });
});
