import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RegionSummary, RegionSummary as Summary } from '@millwright/protocol';
import { MemoryLogger } from '@millwright/protocol/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { regionNotes } from './notes/region-notes.ts';
import { Vault } from './vault.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'millwright-vault-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const vaultAt = () =>
  new Vault(
    { logger: new MemoryLogger() },
    { directory: join(root, 'vault'), memoryFile: join(root, 'memory.json') },
  );

function summary(temperature: number, name = 'AHU 12'): RegionSummary {
  return Summary.parse({
    region: 'north',
    atMs: 0,
    version: '0.1.0',
    gateways: [
      {
        id: 'gw_aaaaaaaaaaaaaaaa',
        name: 'press-hall',
        site: 'hall-3',
        online: true,
        lastSeenMs: 1.7e12,
        version: '0.1.0',
        devices: 1,
        frames: 1,
        gaps: 0,
      },
    ],
    devices: [
      {
        id: 'dev_hall-3.ahu-12',
        name,
        driver: 'opcua',
        gateway: 'gw_aaaaaaaaaaaaaaaa',
        site: 'hall-3',
        online: true,
        lastSeenMs: 1.7e12,
        points: [{ point: 'temp', v: temperature, q: 'good', unit: 'Cel', tSource: 1.7e12 }],
      },
    ],
    counts: { frames: 1, samples: 1, gaps: 0, alarmsActive: 0, commands: 0 },
    rollups: [],
  });
}

const devicePath = () => join(root, 'vault/Devices/hall-3/AHU 12.md');

describe('Vault', () => {
  it('creates notes for gateways and devices, and writes nothing when nothing changed', async () => {
    const vault = vaultAt();
    expect(await vault.sync(regionNotes(summary(21)))).toMatchObject({ created: 2, failed: [] });
    const before = await stat(devicePath());
    expect(await vault.sync(regionNotes(summary(21)))).toMatchObject({
      created: 0,
      updated: 0,
      unchanged: 2,
    });
    expect((await stat(devicePath())).ino).toBe(before.ino);
  });

  it('follows a note that was renamed and moved', async () => {
    await vaultAt().sync(regionNotes(summary(21)));
    const moved = join(root, 'vault/My machines/Big fan.md');
    await mkdir(join(root, 'vault/My machines'));
    await rename(devicePath(), moved);
    expect(await vaultAt().sync(regionNotes(summary(22)))).toMatchObject({ created: 0, updated: 1 });
    expect(await readFile(moved, 'utf8')).toContain('22 Cel');
  });

  it('leaves a deleted note deleted, also after a restart', async () => {
    await vaultAt().sync(regionNotes(summary(21)));
    await rm(devicePath());
    expect(await vaultAt().sync(regionNotes(summary(22)))).toMatchObject({ created: 0, tombstones: 1 });
    await expect(stat(devicePath())).rejects.toThrow('ENOENT');
  });

  it('never writes over a note of somebody else, nor into a conflict copy', async () => {
    await mkdir(join(root, 'vault/Devices/hall-3'), { recursive: true });
    await writeFile(devicePath(), 'my own note');
    await vaultAt().sync(regionNotes(summary(21)));
    expect(await readFile(devicePath(), 'utf8')).toBe('my own note');
    const ours = join(root, 'vault/Devices/hall-3/AHU 12 2.md');
    const copy = join(root, 'vault/Devices/hall-3/AHU 12 2.sync-conflict-20261122-101010-ABCDEFG.md');
    const text = await readFile(ours, 'utf8');
    await writeFile(copy, text);
    await vaultAt().sync(regionNotes(summary(22)));
    expect(await readFile(copy, 'utf8')).toBe(text);
    expect(await readFile(ours, 'utf8')).toContain('22 Cel');
  });

  it('keeps a device name from becoming a path, a link or HTML', async () => {
    await vaultAt().sync(regionNotes(summary(21, '../../[[x]] <img src=x>')));
    expect(await readdir(join(root, 'vault/Devices/hall-3'))).toEqual(['x img src=x.md']);
    const gateway = await readFile(join(root, 'vault/Gateways/press-hall.md'), 'utf8');
    expect(gateway).toContain('\\[\\[x\\]\\] &lt;img src\\=x&gt;');
  });

  it('leaves no temporary file behind', async () => {
    await vaultAt().sync(regionNotes(summary(21)));
    await vaultAt().sync(regionNotes(summary(22)));
    expect(
      (await readdir(join(root, 'vault'), { recursive: true })).filter((name) => name.endsWith('.tmp')),
    ).toEqual([]);
  });
});
