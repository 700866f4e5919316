import { DeviceSlug, type EventRecord, UnavailableError } from '@millwright/protocol';
import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import { GatewayEvents } from './gateway-events.ts';
import { JournalConfig } from './journal/config.ts';
import { MemoryKvFile } from './journal/kv/memory-kv.ts';
import { KvJournal } from './journal/kv-journal.ts';

describe("the gateway's own events", () => {
  let file: MemoryKvFile;
  let journal: KvJournal;
  let logger: MemoryLogger;
  let events: GatewayEvents;

  beforeEach(async () => {
    const clock = new MemoryClock();
    logger = new MemoryLogger();
    file = new MemoryKvFile();
    journal = new KvJournal({ clock, logger, file }, JournalConfig.parse({}));
    await journal.start();
    events = new GatewayEvents({ clock, logger, journal });
    return () => journal.stop();
  });

  const device = (online: boolean, why?: string) => {
    const status = { device: DeviceSlug.parse('pump'), name: 'Pump', driver: 'modbus', online, sinceMs: 0 };
    events.devicesChanged([why === undefined ? status : { ...status, why }]);
  };
  const noted = async (): Promise<Pick<EventRecord, 'type' | 'message'>[]> => {
    await journal.flush();
    const entries = await journal.entriesAfter(null, 100);
    return entries.flatMap((entry) =>
      entry.kind === 'event' ? [{ type: entry.event.type, message: entry.event.message }] : [],
    );
  };

  it('tell of a device that went away and came back, not of one that answers for the first time', async () => {
    device(false, 'has not answered yet');
    device(false, 'refused the connection');
    device(true);
    device(true);
    device(false, 'does not answer');
    device(false, 'refused the connection');
    device(true);
    await events.note('gateway.stopped', 'done');
    expect(await noted()).toEqual([
      { type: 'device.offline', message: 'Pump is offline: does not answer' },
      { type: 'device.online', message: 'Pump answers again' },
      { type: 'gateway.stopped', message: 'done' },
    ]);
  });

  it('are logged when they cannot be kept', async () => {
    file.writeFault = new UnavailableError('KV_DISK_FULL', 'the disk is full');
    const noting = events.note('config.refused', 'no');
    await journal.stop();
    await noting;
    expect(logger.lines).toContainEqual(
      expect.objectContaining({ level: 'error', message: 'event not recorded: no' }),
    );
  });
});
