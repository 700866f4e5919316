import type { DeviceAlarm } from '@millwright/device-drivers';
import { DeviceSlug, PointId } from '@millwright/protocol';
import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { AlarmRegister } from '../alarms/alarm-register.ts';
import { GatewayEvents } from '../gateway-events.ts';
import { JournalConfig } from '../journal/config.ts';
import { MemoryKvFile } from '../journal/kv/memory-kv.ts';
import { KvJournal } from '../journal/kv-journal.ts';
import { DeviceAlarms, WHOLE_DEVICE } from './device-alarms.ts';

const press = DeviceSlug.parse('press');
const other = DeviceSlug.parse('other');
const clock = new MemoryClock();
const logger = new MemoryLogger();
let journal: KvJournal;
let register: AlarmRegister;
let told: DeviceAlarms;

beforeEach(async () => {
  journal = new KvJournal({ clock, logger, file: new MemoryKvFile() }, JournalConfig.parse({}));
  await journal.start();
  register = new AlarmRegister({ clock, logger, journal, kv: await new MemoryKvFile().open() });
  await register.start();
  told = new DeviceAlarms({ logger, register, events: new GatewayEvents({ clock, logger, journal }) });
});

afterEach(async () => {
  const stopping = register.stop();
  await clock.advance(5000);
  await stopping;
  await journal.stop();
});

function alarm(more: Partial<DeviceAlarm> = {}): DeviceAlarm {
  const told = {
    device: press,
    alarm: 'Overheat',
    message: 'The press is too hot',
    source: 'Press',
    atMs: 1,
  };
  return { ...told, active: true, acked: false, severity: 600, ...more };
}

it('raises what a device raises, with a priority by its severity, and clears it when it ends', () => {
  told.onAlarm(alarm({ point: PointId.parse('temp') }));
  told.onAlarm(alarm({ alarm: 'Door', severity: 1000 }));
  expect(register.active()).toMatchObject([
    { device: 'press', point: 'temp', alarm: 'Overheat', priority: 'high', kind: 'device' },
    { device: 'press', point: WHOLE_DEVICE, alarm: 'Door', priority: 'critical' },
  ]);
  told.onAlarm(alarm({ point: PointId.parse('temp'), active: false }));
  expect(register.active().map((active) => active.alarm)).toEqual(['Door']);
});

it('ends what a device no longer names, and nothing of other devices', () => {
  told.onAlarm(alarm());
  told.onAlarm(alarm({ alarm: 'Door' }));
  told.onAlarm(alarm({ device: other }));
  told.onAlarmList(press, new Set(['Door']));
  expect(register.active().map((active) => `${active.device} ${active.alarm}`)).toEqual([
    'press Door',
    'other Overheat',
  ]);
});

it('takes over that somebody at the device has seen an alarm', async () => {
  told.onAlarm(alarm());
  expect(register.list()).toMatchObject([{ state: 'unacknowledged' }]);
  told.onAlarm(alarm({ acked: true }));
  told.onAlarm(alarm({ acked: true }));
  await clock.advance(5000);
  expect(register.list()).toMatchObject([{ state: 'acknowledged', by: 'at Press' }]);
  told.onAlarm(alarm({ active: false, acked: true }));
  await clock.advance(5000);
  expect(register.standing()).toEqual([]);
});

it('writes what a device tells into the journal, and the span of values that are missing', async () => {
  told.onEvent({ device: press, message: 'Recipe 7 was loaded', source: 'Press', severity: 100, atMs: 5 });
  const gap = { fromMs: 10, toMs: 20, recovered: 3 };
  told.onEvent({ device: press, message: 'values are missing', atMs: 20, gap });
  await clock.advance(5000);
  const entries = await journal.entriesAfter(null, 10);
  expect(entries.flatMap((entry) => (entry.kind === 'event' ? [entry.event] : []))).toMatchObject([
    { type: 'device.event', device: 'press', message: 'Recipe 7 was loaded', data: { severity: 100 } },
    { type: 'device.gap', device: 'press', data: gap },
  ]);
});
