import type { EventRecord, Receipt, WriteCommand } from '@millwright/protocol';
import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryKvFile } from '../journal/kv/memory-kv.ts';
import { BenchDevice, DEVICE, pointId, refusedByDevice } from './bench-device.fixture.ts';
import { CommandPath } from './command-path.ts';

let clock: MemoryClock;
let device: BenchDevice;
let commands: CommandPath;
let told: EventRecord[];
let count = 0;
/** Why the interlock says no, after it said yes so often. */
let blocked: string | undefined;
let passes: number;
let asked: number;

beforeEach(async () => {
  clock = new MemoryClock();
  device = new BenchDevice();
  told = [];
  blocked = undefined;
  passes = 0;
  asked = 0;
  const interlocks = {
    refusal: () => {
      asked++;
      return asked > passes ? blocked : undefined;
    },
  };
  const journal = {
    appendEvent: async (event: EventRecord) => {
      told.push(event);
      return { epoch: 1, seq: told.length };
    },
  };
  const kv = await new MemoryKvFile().open();
  commands = new CommandPath(
    { clock, logger: new MemoryLogger(), journal, kv, points: device, devices: device, interlocks },
    { writeTimeoutMs: 3000 },
  );
  await commands.start();
});
afterEach(() => commands.stop());

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
async function carriedOut(wanted: WriteCommand): Promise<Receipt> {
  let receipt: Receipt | undefined;
  void commands.handle(wanted).then((answer) => {
    receipt = answer;
  });
  while (receipt === undefined) await clock.advance(0);
  return receipt;
}

describe('an interlock', () => {
  it('keeps the machine still and says why, also when it changes while the command is being recorded', async () => {
    blocked = 'it does not hold: breaker == true';
    expect(await carriedOut(command('limit', 120))).toMatchObject({
      result: 'refused',
      code: 'INTERLOCK',
      message: 'the interlock says no: it does not hold: breaker == true',
    });
    passes = asked + 1;
    expect(await carriedOut(command('limit', 130))).toMatchObject({ result: 'refused', code: 'INTERLOCK' });
    expect(device.written).toEqual([]);
    expect(told.map(({ type }) => type)).toEqual(['command.refused', 'command.accepted', 'command.refused']);
  });
});

describe('a dry run', () => {
  it('goes through every check, says what would be written, and moves nothing', async () => {
    device.raw = 'write holding 200 = 0078';
    const receipt = await carriedOut(command('limit', 120, { dryRun: true }));
    expect(receipt).toMatchObject({
      result: 'done',
      dryRun: true,
      before: 100,
      raw: 'write holding 200 = 0078',
      message: 'limit of Pump 1 would be written as 120; nothing was moved',
    });
    expect(device.written).toEqual([]);
    expect(told).toMatchObject([
      { type: 'command.dry-run', data: { dryRun: true, value: 120, raw: 'write holding 200 = 0078' } },
    ]);
  });

  it.each<[what: string, point: string, value: WriteCommand['value'], code: string]>([
    ['out of range', 'limit', 500, 'OUT_OF_RANGE'],
    ['of the wrong type', 'breaker', 1, 'VALUE_TYPE'],
    ['of a point nobody may write', 'temperature', 1, 'NOT_WRITABLE'],
    ['for another role', 'setpoint', 1, 'ROLE'],
  ])('is refused %s as the command would be', async (_, point, value, code) => {
    const receipt = await carriedOut(command(point, value, { dryRun: true }));
    expect(receipt).toMatchObject({ result: 'refused', code, dryRun: true });
  });

  it('is refused by an interlock, and when the value cannot be encoded', async () => {
    blocked = 'breaker is bad: timeout';
    expect(await carriedOut(command('limit', 1, { dryRun: true }))).toMatchObject({ code: 'INTERLOCK' });
    blocked = undefined;
    device.raw = refusedByDevice;
    expect(await carriedOut(command('limit', 1, { dryRun: true }))).toMatchObject({
      result: 'refused',
      code: 'ILLEGAL_VALUE',
    });
  });
});

describe('a point with a rate limit', () => {
  it('takes a burst, then one write every so long, by the monotonic clock', async () => {
    device.add('valve', 'float64', 0, { rate: { every: 1000, burst: 2 } });
    const codes = async (...values: number[]) => {
      const found: (string | undefined)[] = [];
      for (const value of values) found.push((await carriedOut(command('valve', value))).code);
      return found;
    };
    expect(await codes(1, 2, 3)).toEqual([undefined, undefined, 'RATE']);
    clock.jumpWall(-86_400_000);
    expect((await carriedOut(command('valve', 4, { dryRun: true }))).code).toBe('RATE');
    await clock.advance(1000);
    expect((await carriedOut(command('valve', 4, { dryRun: true }))).code).toBeUndefined();
    expect(await codes(5, 6)).toEqual([undefined, 'RATE']);
    expect(device.written).toEqual(['valve=1', 'valve=2', 'valve=5']);
  });
});
