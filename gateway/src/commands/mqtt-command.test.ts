import { DRIVER_MODULES } from '@millwright/device-drivers';
import { InlineDevice, type Receipt, type WriteCommand } from '@millwright/protocol';
import { systemClock } from '@millwright/protocol/node';
import { MemoryLogger } from '@millwright/protocol/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AlarmRegister } from '../alarms/alarm-register.ts';
import { AlarmRules } from '../alarms/alarm-rules.ts';
import { watchedPointsOf } from '../alarms/watched-points.ts';
import { BrokerFixture, type TestClient } from '../broker/broker.fixture.ts';
import { LocalBrokerLink } from '../broker/local-link.ts';
import { DeviceSupervisor } from '../devices/device-supervisor.ts';
import { JournalConfig } from '../journal/config.ts';
import { MemoryKvFile } from '../journal/kv/memory-kv.ts';
import { KvJournal } from '../journal/kv-journal.ts';
import { Catalog } from '../points/catalog.ts';
import { PointsTable } from '../points/points-table.ts';
import { CommandPath } from './command-path.ts';
import { commandPortsOf } from './gateway-ports.ts';
import { Interlocks } from './interlocks.ts';

const patience = { timeout: 10_000 };

/** A thermostat over the gateway's own broker, with everything between the region's command and its valve real. */
describe('a command to an MQTT device', () => {
  let fixture: BrokerFixture;
  let thermostat: TestClient;
  let heard: string[];
  let supervisor: DeviceSupervisor;
  let register: AlarmRegister;
  let commands: CommandPath;
  let points: PointsTable;
  const cleanups: (() => Promise<void>)[] = [];

  beforeEach(async () => {
    const logger = new MemoryLogger();
    const clock = systemClock;
    fixture = await BrokerFixture.started();
    heard = [];
    const journal = new KvJournal({ clock, logger, file: new MemoryKvFile() }, JournalConfig.parse({}));
    await journal.start();
    const kv = await new MemoryKvFile().open();
    register = new AlarmRegister({ clock, logger, journal, kv });
    await register.start();
    const limits = new AlarmRules({ clock, register });
    points = new PointsTable({
      clock,
      logger,
      all: [{ name: 'alarms', accept: limits.accept }],
      reported: [],
    });
    const catalog = new Catalog({ logger, stores: [kv] });
    await catalog.load();
    const localBroker = new LocalBrokerLink({ broker: fixture.broker });
    await localBroker.start();
    supervisor = new DeviceSupervisor({
      clock,
      logger,
      catalog,
      points,
      modules: DRIVER_MODULES,
      localBroker: () => localBroker,
    });
    await supervisor.start();
    await supervisor.apply([
      InlineDevice.parse({
        id: 'hall',
        name: 'Hall thermostat',
        driver: 'mqtt',
        connect: { broker: 'local' },
        points: {
          setpoint: {
            topic: 'hall/state',
            pick: '$.setpoint',
            as: 'float64',
            unit: 'Cel',
            command: { topic: 'hall/set' },
            write: { range: [5, 30], confirm: { readback: '3s' } },
            alarms: { hi: { at: 25, priority: 'low' } },
          },
        },
      }),
    ]);
    limits.watch(watchedPointsOf(supervisor.devices().values()));
    const ports = commandPortsOf({ devices: supervisor, points, catalog });
    commands = new CommandPath(
      { clock, logger, journal, kv, ...ports, interlocks: new Interlocks() },
      { writeTimeoutMs: 3000 },
    );
    await commands.start();
    cleanups.push(
      () => commands.stop(),
      () => supervisor.stop(),
      () => localBroker.stop(),
      () => register.stop(),
      () => journal.stop(),
      () => fixture.dispose(),
    );

    thermostat = await fixture.connectAs('hall', { publish: ['hall/state'], subscribe: ['hall/set'] });
    await thermostat.mqtt.subscribeAsync('hall/set', { qos: 1 });
    await thermostat.mqtt.publishAsync('hall/state', '{"setpoint": 20}', { qos: 1 });
    await vi.waitFor(() => expect(supervisor.statuses()[0]?.online).toBe(true), patience);
  });
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0)) await cleanup();
  });

  function write(value: number): Promise<Receipt> {
    const nowMs = systemClock.wallMs();
    const command = {
      id: `command-${value}-${nowMs}`,
      device: 'hall',
      point: 'setpoint',
      value,
      by: { name: 'ann', role: 'operator' },
      issuedAtMs: nowMs,
      expiresAtMs: nowMs + 30_000,
    };
    return commands.handle(command as WriteCommand);
  }

  /** Does what it is told, or something else. */
  function obeyAs(change: (value: number) => number): void {
    thermostat.mqtt.on('message', (_topic, payload) => {
      heard.push(payload.toString());
      const setpoint = change(Number(payload.toString()));
      void thermostat.mqtt.publishAsync('hall/state', JSON.stringify({ setpoint }), { qos: 1 });
    });
  }

  it('is done when the device says the new value, which may raise an alarm', async () => {
    obeyAs((value) => value);
    expect(await write(26.5)).toMatchObject({ result: 'done', before: 20, readBack: 26.5 });
    expect(heard).toEqual(['26.5']);
    expect(register.active().map(({ message }) => message)).toEqual([
      'Hall thermostat setpoint is 26.5 Cel, above 25 Cel (low)',
    ]);
  });

  it('is unknown when the device says another value', async () => {
    obeyAs(() => 18);
    expect(await write(21)).toMatchObject({ result: 'unknown', code: 'READBACK_MISMATCH', readBack: 18 });
  });

  it('never reaches the device when it is out of range', async () => {
    obeyAs((value) => value);
    expect(await write(31)).toMatchObject({ result: 'refused', code: 'OUT_OF_RANGE' });
    expect(await write(22)).toMatchObject({ result: 'done' });
    expect(heard).toEqual(['22']);
  });
});
