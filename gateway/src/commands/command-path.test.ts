import { type EventRecord, type Receipt, UnavailableError, type WriteCommand } from '@millwright/protocol';
import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { JournalConfig } from '../journal/config.ts';
import type { Kv } from '../journal/kv/kv.ts';
import { MemoryKvFile } from '../journal/kv/memory-kv.ts';
import { KvJournal } from '../journal/kv-journal.ts';
import { BenchDevice, DEVICE, pointId, refusedByDevice } from './bench-device.fixture.ts';
import { CommandPath } from './command-path.ts';
import { Interlocks } from './interlocks.ts';

let clock: MemoryClock;
let logger: MemoryLogger;
let device: BenchDevice;
let journalFile: MemoryKvFile;
let stateFile: MemoryKvFile;
let journal: KvJournal;
let kv: Kv;
let commands: CommandPath;
let count = 0;
const interlocks = new Interlocks();

beforeEach(async () => {
  clock = new MemoryClock();
  logger = new MemoryLogger();
  device = new BenchDevice();
  journalFile = new MemoryKvFile();
  stateFile = new MemoryKvFile();
  await begin();
});
afterEach(end);

async function begin(): Promise<void> {
  journal = new KvJournal(
    { clock, logger, file: journalFile },
    JournalConfig.parse({ eventVisibleWithinMs: 0 }),
  );
  await journal.start();
  kv = await stateFile.open();
  commands = new CommandPath(
    { clock, logger, journal, kv, points: device, devices: device, interlocks },
    { writeTimeoutMs: 3000 },
  );
  await commands.start();
}

async function end(): Promise<void> {
  await commands.stop();
  await journal.stop();
  await kv.close();
}

function command(
  point: string,
  value: WriteCommand['value'],
  more: Partial<WriteCommand> = {},
): WriteCommand {
  return {
    id: `command-${count++}`,
    device: DEVICE,
    point: pointId(point),
    value,
    by: { name: 'ann', role: 'operator' },
    issuedAtMs: clock.wallMs(),
    expiresAtMs: clock.wallMs() + 30_000,
    ...more,
  };
}

/** Lets time pass until the receipt is there. */
async function arrived(handled: Promise<Receipt>): Promise<Receipt> {
  let isThere = false;
  void handled.finally(() => {
    isThere = true;
  });
  while (!isThere) await clock.advance(50);
  return handled;
}

const carriedOut = (wanted: WriteCommand) => arrived(commands.handle(wanted));

/** Lets the disk work, but no time pass. */
const until = (check: () => void | Promise<void>) =>
  vi.waitFor(async () => {
    await clock.advance(0);
    await check();
  });

async function events(): Promise<EventRecord[]> {
  await clock.advance(10_000);
  const entries = await journal.entriesAfter(null, 1000);
  return entries.flatMap((entry) => (entry.kind === 'event' ? [entry.event] : []));
}

const types = async () => (await events()).map((event) => event.type);

describe('a command', () => {
  it('writes, reads back, and leaves two lines in the journal', async () => {
    const receipt = await carriedOut(command('limit', 120, { id: 'command-x' }));
    expect(receipt).toMatchObject({ id: 'command-x', result: 'done', before: 100, readBack: 120 });
    expect(receipt.message).toBe('limit of Pump 1 is 120');
    expect(device.written).toEqual(['limit=120']);
    expect(await events()).toMatchObject([
      {
        type: 'command.accepted',
        device: 'pump-1',
        point: 'limit',
        message: 'ann writes 120 to limit of Pump 1',
        data: { command: 'command-x', by: 'ann', role: 'operator', value: 120, before: 100 },
      },
      { type: 'command.done', data: { command: 'command-x', before: 100, readBack: 120 } },
    ]);
  });

  it('is on disk before anything moves', async () => {
    let seen: readonly unknown[] = [];
    device.onWrite = async () => {
      seen = (await kv.list({ prefix: ['command'] }, { limit: 10 })).map((entry) => entry.value);
    };
    await carriedOut(command('limit', 120, { id: 'command-y' }));
    expect(seen).toMatchObject([{ id: 'command-y', device: 'pump-1', point: 'limit' }]);
  });

  it.each([
    ['count', '-9223372036854775808', 'count=-9223372036854775808'],
    ['total', '18446744073709551615', 'total=18446744073709551615'],
    ['count', 7, 'count=7'],
    ['breaker', true, 'breaker=true'],
    ['recipe', 'B', 'recipe=B'],
  ])('writes %s %j', async (point, value, written) => {
    expect(await carriedOut(command(point, value))).toMatchObject({ result: 'done' });
    expect(device.written).toEqual([written]);
  });

  it.each<[string, Partial<WriteCommand> & { readonly value?: WriteCommand['value'] }, string]>([
    ['INVALID', { id: 'short' }, 'id: '],
    ['EXPIRED', { expiresAtMs: 0 }, 'expired'],
    ['CLOCK_SKEW', { issuedAtMs: 1e15, expiresAtMs: 1e15 }, 'clocks'],
    ['DEVICE_UNKNOWN', { device: 'nobody' as WriteCommand['device'] }, '"nobody"'],
    ['POINT_UNKNOWN', { point: 'nothing' as WriteCommand['point'] }, '"nothing"'],
    ['NOT_WRITABLE', { point: pointId('temperature') }, 'temperature'],
    ['ROLE', { by: { name: 'vic', role: 'viewer' } }, 'takes operator'],
    ['ROLE', { point: pointId('setpoint') }, 'takes engineer'],
    ['APPROVAL_REQUIRED', { point: pointId('press'), by: { name: 'eve', role: 'engineer' } }, 'approval'],
    ['OUT_OF_RANGE', { value: 400.001 }, '0 … 400'],
    ['OUT_OF_RANGE', { point: pointId('total'), value: -1 }, 'uint64'],
    ['OUT_OF_RANGE', { point: pointId('count'), value: '9223372036854775808' }, 'int64'],
    ['OUT_OF_RANGE', { point: pointId('recipe'), value: 'x'.repeat(1001) }, '1000'],
    ['VALUE_TYPE', { value: '120' }, 'a finite number'],
    ['VALUE_TYPE', { value: null }, 'a finite number'],
    ['VALUE_TYPE', { point: pointId('breaker'), value: 1 }, 'true or false'],
    ['VALUE_TYPE', { point: pointId('count'), value: 1.5 }, 'an integer'],
    ['VALUE_TYPE', { point: pointId('count'), value: 2 ** 60 }, 'an integer'],
    ['VALUE_TYPE', { point: pointId('recipe'), value: 7 }, 'a text'],
  ])('is refused as %s for %j', async (code, more, message) => {
    const receipt = await carriedOut({ ...command('limit', 120), ...more });
    expect(receipt).toMatchObject({ result: 'refused', code });
    expect(receipt.message).toContain(message);
    expect(device.written).toEqual([]);
    if (code !== 'INVALID') expect(await types()).toEqual(['command.refused']);
  });

  it('is refused for a device that is offline, with the reason', async () => {
    device.online = false;
    expect(await carriedOut(command('limit', 120))).toMatchObject({
      result: 'refused',
      code: 'DEVICE_OFFLINE',
      message: 'Pump 1 is offline: no answer',
    });
  });

  it('is carried out once, however often it comes, also after a restart', async () => {
    const wanted = command('limit', 120);
    const [first, second] = await Promise.all([carriedOut(wanted), commands.handle(wanted)]);
    expect(second).toEqual(first);
    await end();
    await begin();
    expect(await commands.handle({ ...wanted, value: 300 })).toEqual(first);
    const refusal = command('limit', 1e6);
    const refused = await carriedOut(refusal);
    await end();
    await begin();
    expect(await commands.handle({ ...refusal, value: 1 })).toEqual(refused);
    expect(device.written).toEqual(['limit=120']);
  });

  it('waits its turn behind another for the same device, and expires there', async () => {
    const open: (() => void)[] = [];
    device.onWrite = () => new Promise((resolve) => open.push(resolve));
    const first = commands.handle(command('limit', 1));
    const second = commands.handle(command('limit', 2));
    const hasty = commands.handle(command('limit', 3, { expiresAtMs: clock.wallMs() + 500 }));
    await until(() => expect(open).toHaveLength(1));
    await clock.advance(1000);
    open[0]?.();
    expect((await arrived(first)).result).toBe('done');
    await until(() => expect(open).toHaveLength(2));
    open[1]?.();
    expect(await arrived(second)).toMatchObject({ result: 'done', before: 1, readBack: 2 });
    expect(await hasty).toMatchObject({ result: 'refused', code: 'EXPIRED' });
    expect(device.written).toEqual(['limit=1', 'limit=2']);
  });

  it('does not wait for another device', async () => {
    device.onWrite = (value) => (value === 1 ? new Promise<void>(() => undefined) : undefined);
    const hanging = commands.handle(command('limit', 1));
    const other = command('limit', 2, { device: 'pump-2' as WriteCommand['device'] });
    expect(await carriedOut(other)).toMatchObject({ result: 'done' });
    await clock.advance(3000);
    expect((await hanging).result).toBe('unknown');
  });

  it('is refused when too many wait already', async () => {
    let writing = 0;
    device.onWrite = () => {
      writing++;
      return new Promise<void>(() => undefined);
    };
    const waiting = Array.from({ length: 64 }, () => commands.handle(command('limit', 1)));
    expect(await commands.handle(command('limit', 1))).toMatchObject({ result: 'refused', code: 'BUSY' });
    await until(() => expect(writing).toBe(1));
    await commands.stop();
    const receipts = await Promise.all(waiting);
    expect(receipts.map((receipt) => receipt.code)).toEqual(Array(64).fill('STOPPING'));
    expect(receipts[0]?.result).toBe('unknown');
    expect(receipts[1]?.result).toBe('refused');
  });
});

describe('the result of a command', () => {
  it('is a refusal when the device says no', async () => {
    device.onWrite = () => {
      throw refusedByDevice;
    };
    expect(await carriedOut(command('limit', 120))).toMatchObject({
      result: 'refused',
      code: 'ILLEGAL_VALUE',
      message: 'limit of Pump 1 was not written: the device answered "illegal data value"',
    });
    expect(await types()).toEqual(['command.accepted', 'command.refused']);
  });

  it.each<[string, () => void | Promise<void>, string]>([
    [
      'the line breaks while it writes',
      () => Promise.reject(new UnavailableError('DEVICE_OFFLINE', 'reset')),
      'DEVICE_OFFLINE',
    ],
    ['the driver hangs', () => new Promise<void>(() => undefined), 'TIMEOUT'],
    ['the driver has a fault of its own', () => Promise.reject(new TypeError('seeded')), 'WRITE_FAILED'],
  ])('is unknown when %s, and is not tried again', async (_what, onWrite, code) => {
    let attempts = 0;
    device.onWrite = () => {
      attempts++;
      return onWrite();
    };
    const receipt = await carriedOut(command('limit', 120));
    expect(receipt).toMatchObject({ result: 'unknown', code });
    expect(receipt.message).toContain('may have been written');
    await clock.advance(600_000);
    expect(attempts).toBe(1);
    expect(await types()).toEqual(['command.accepted', 'command.unknown']);
  });

  it('is unknown when the device keeps another value, with what it reads', async () => {
    device.settle = () => 110;
    expect(await carriedOut(command('limit', 120))).toMatchObject({
      result: 'unknown',
      code: 'READBACK_MISMATCH',
      readBack: 110,
      message: 'limit of Pump 1 was written as 120, but reads back as 110',
    });
  });

  it('is done when the device gets there in time, or stops within the tolerance', async () => {
    device.add('ramp', 'float64', 0, { confirm: { readback: 1000, tolerance: 0.5 } });
    device.settle = () => 0;
    const cancel = clock.after(600, () => device.values.set('ramp', 9.6));
    expect(await carriedOut(command('ramp', 10))).toMatchObject({ result: 'done', readBack: 9.6 });
    cancel();
  });

  it('takes what a float32 or a scaled register makes of a decimal for the same', async () => {
    device.settle = (value) => Math.fround(Number(value));
    expect(await carriedOut(command('limit', 21.3))).toMatchObject({
      result: 'done',
      readBack: Math.fround(21.3),
    });
  });

  it('waits for the next sample where the protocol cannot be asked', async () => {
    device.isSilent = true;
    expect(await carriedOut(command('limit', 120))).toMatchObject({ result: 'done', readBack: 120 });
  });

  it('is unknown when no sample comes', async () => {
    device.isSilent = true;
    const latest = device.latest(0 as never);
    device.latest = () => latest;
    expect(await carriedOut(command('limit', 120))).toMatchObject({
      result: 'unknown',
      code: 'READBACK_TIMEOUT',
      message: 'limit of Pump 1 was written, but could not be read back: no new value within 2000 ms',
    });
  });

  it('is unknown when the device is gone before it can be read back', async () => {
    device.onWrite = () => {
      device.online = false;
    };
    expect(await carriedOut(command('limit', 120))).toMatchObject({
      result: 'unknown',
      code: 'READBACK_TIMEOUT',
    });
  });
});

describe('a gateway that dies or cannot write', () => {
  it('reports a command that was under way as unknown, once, and never repeats it', async () => {
    device.onWrite = () => new Promise<void>(() => undefined);
    const wanted = command('limit', 120);
    void commands.handle(wanted);
    await until(async () => expect(await kv.list({ prefix: ['command'] }, { limit: 10 })).toHaveLength(1));
    // A killed process: nothing of it is stopped, a new one opens the same files.
    device.onWrite = () => undefined;
    const [dead, deadClock] = [journal, clock];
    clock = new MemoryClock(clock.wallMs());
    await begin();
    await until(() => expect(logger.lines.some((line) => line.message.includes('interrupted'))).toBe(true));
    expect(await commands.handle(wanted)).toMatchObject({ result: 'unknown', code: 'INTERRUPTED' });
    await end();
    await begin();
    expect(await commands.handle(wanted)).toMatchObject({ result: 'unknown', code: 'INTERRUPTED' });
    expect((await types()).filter((type) => type === 'command.unknown')).toHaveLength(1);
    expect(device.written).toEqual([]);
    expect(deadClock.monotonicMs()).toBe(0);
    await dead.stop();
  });

  it('does not act when it cannot record, and acts again when it can', async () => {
    stateFile.writeFault = new UnavailableError('KV_DISK_FULL', 'the disk is full');
    const wanted = command('limit', 120);
    const receipt = await carriedOut(wanted);
    expect(receipt).toMatchObject({ result: 'refused', code: 'NOT_RECORDED' });
    expect(receipt.message).toContain('the disk is full');
    stateFile.writeFault = undefined;
    expect(await commands.handle(wanted)).toEqual(receipt);
    journalFile.writeFault = new UnavailableError('KV_DISK_FULL', 'the disk is full');
    expect(await carriedOut(command('limit', 120))).toMatchObject({
      result: 'refused',
      code: 'NOT_RECORDED',
    });
    journalFile.writeFault = undefined;
    expect(device.written).toEqual([]);
    await clock.advance(60_000);
    expect(await carriedOut(command('limit', 130))).toMatchObject({ result: 'done' });
  });

  it('gives the receipt even when the result cannot be recorded, and says so at the next start', async () => {
    device.onWrite = () => {
      stateFile.writeFault = new UnavailableError('KV_DISK_FULL', 'the disk is full');
    };
    const wanted = command('limit', 120);
    const receipt = await carriedOut(wanted);
    expect(receipt).toMatchObject({ result: 'done' });
    expect(logger.lines.at(-1)).toMatchObject({ level: 'error', message: 'receipt not recorded' });
    expect(await commands.handle(wanted)).toEqual(receipt);
    stateFile.writeFault = undefined;
    await end();
    await begin();
    expect(await commands.handle(wanted)).toMatchObject({ result: 'unknown', code: 'INTERRUPTED' });
  });

  it('keeps trying to record an interrupted command while the disk is full', async () => {
    await kv.set(['command', 'command-z'], { id: 'command-z', device: 'pump-1', point: 'limit', atMs: 1 });
    await end();
    stateFile.writeFault = new UnavailableError('KV_DISK_FULL', 'the disk is full');
    await begin();
    await clock.advance(40_000);
    stateFile.writeFault = undefined;
    await clock.advance(40_000);
    expect(await kv.get(['command', 'command-z'])).toMatchObject({ receipt: { result: 'unknown' } });
    const ids = (await events()).map((event) => event.id);
    expect(new Set(ids)).toEqual(new Set(['cmd_command-z']));
  });

  it('remembers a thousand commands, not all there ever were', async () => {
    for (let no = 0; no < 1250; no++) {
      await kv.set(['command', `old-${no}`], {
        id: `old-${no}`,
        device: 'pump-1',
        point: 'limit',
        atMs: no,
        receipt: { id: `old-${no}`, result: 'done', message: 'x', atMs: no },
      });
    }
    await end();
    await begin();
    await carriedOut(command('limit', 120));
    await carriedOut(command('limit', 121));
    const kept = await kv.list({ prefix: ['command'] }, { limit: 5000 });
    expect(kept.length).toBeLessThanOrEqual(1100);
    expect(kept.length).toBeGreaterThanOrEqual(1000);
    expect(await kv.get(['command', 'old-0'])).toBeUndefined();
  });

  it('ignores a stored command that cannot be read', async () => {
    await kv.set(['command', 'odd'], { what: 1 });
    await end();
    await begin();
    expect(logger.lines.at(-1)?.message).toContain('not readable');
    expect(await carriedOut(command('limit', 120))).toMatchObject({ result: 'done' });
  });

  it('answers before it is started that it is not running', async () => {
    await commands.stop();
    expect(await commands.handle(command('limit', 1))).toMatchObject({ result: 'refused', code: 'STOPPING' });
  });
});
