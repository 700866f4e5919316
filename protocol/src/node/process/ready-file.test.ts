import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryLogger } from '../../testing/index.ts';
import { ReadyFile } from './ready-file.ts';

describe('a ready file', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millwright-ready-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('holds what was written last, and only its owner may read it', async () => {
    const path = join(folder, 'ready.json');
    const file = new ReadyFile({ logger: new MemoryLogger() }, path);
    await Promise.all([1, 2, 3].map((pid) => file.write({ pid })));
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ pid: 3 });
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('is gone once removed, however often', async () => {
    const path = join(folder, 'ready.json');
    const file = new ReadyFile({ logger: new MemoryLogger() }, path);
    file.rewrite({ pid: 1 });
    await file.remove();
    await file.remove();
    expect(() => statSync(path)).toThrow('ENOENT');
  });

  it('says where it could not be written', async () => {
    const logger = new MemoryLogger();
    const file = new ReadyFile({ logger }, join(folder, 'no-such-folder', 'ready.json'));
    file.rewrite({ pid: 1 });
    await expect.poll(() => JSON.stringify(logger.lines)).toContain('ready.json cannot be written');
  });
});
