import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { device, lineOf } from './line.fixture.ts';

let stateDir: string;
beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'millwright-modbus-'));
});
afterEach(() => rm(stateDir, { recursive: true, force: true }));

const ADDRESSES = [0, 1, 2, 6, 7, 12];

/** Runs a line whose device lacks registers 3 to 5 until it has read everything. @returns its refused requests */
async function life(addresses: readonly number[] = ADDRESSES, line = 'tcp://plant:502') {
  const world = lineOf([device(1, addresses)], true, { deps: { stateDir }, config: { line } });
  for (const gap of [3, 4, 5]) world.bus.unit(1).illegal.add(gap);
  await world.line.start();
  await expect.poll(() => world.bus.openings, { timeout: 30_000 }).toBe(1);
  await world.clock.advance(10_000);
  const across = world.bus.takeRequests().filter((what) => /holding [0-3]\+([6-9]|1\d)/.test(what));
  await world.line.stop();
  return { across: across.length, samples: world.seen.samples, logger: world.logger };
}

describe('what a line has learned about a device', () => {
  it('is known after a restart: the refused request is not made again', async () => {
    expect((await life()).across).toBeGreaterThan(0);
    const second = await life();
    expect(second.across).toBe(0);
    expect(second.samples.every(({ q }) => q === 'good')).toBe(true);
  });

  it('is forgotten when its registers are described differently', async () => {
    await life();
    expect((await life([...ADDRESSES, 13])).across).toBeGreaterThan(0);
  });

  it('is kept apart from that of another line', async () => {
    await life();
    expect((await life(ADDRESSES, 'tcp://elsewhere:502')).across).toBeGreaterThan(0);
    expect((await readdir(join(stateDir, 'modbus'))).length).toBe(2);
  });

  it.each(['', '{', '{"version":1,"devices":{"u1":{"fingerprint":7}}}', '[]'])(
    'is learned anew when its file holds %j',
    async (text) => {
      await life();
      const [file = ''] = await readdir(join(stateDir, 'modbus'));
      const path = join(stateDir, 'modbus', file);
      await writeFile(path, text);
      const { across, logger } = await life();
      expect(across).toBeGreaterThan(0);
      expect(logger.lines.filter(({ message }) => message.includes('learned anew')).length).toBe(1);
      expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({ version: 1 });
    },
  );

  it('is given up with a warning when it cannot be written, and reading goes on', async () => {
    await writeFile(join(stateDir, 'modbus'), 'a file where a folder should be');
    const { samples, logger } = await life();
    expect(samples.some(({ q }) => q === 'good')).toBe(true);
    expect(logger.lines.filter(({ message }) => message.includes('is not kept')).length).toBe(1);
  });
});
