import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GatewayId, RegionId } from '@millwright/protocol';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Enrolment, readEnrolment, tokenFile, writeEnrolment } from './enrolment.ts';

const ENROLMENT: Enrolment = {
  version: 1,
  gateway: GatewayId.parse('gw_aaaaaaaaaaaaaaaa'),
  region: RegionId.parse('north'),
  regionPeer: `12D3KooW${'A'.repeat(44)}`,
  addresses: ['10.0.0.1:4100'],
  tokenDigest: 'ab'.repeat(32),
  enrolledAtMs: 1,
};

describe('the state folder of a gateway', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'enrolment-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  test('keeps the enrolment for its owner only', async () => {
    expect(await readEnrolment(dir)).toBeUndefined();
    await writeEnrolment(dir, ENROLMENT);
    expect(await readEnrolment(dir)).toEqual(ENROLMENT);
    expect((await stat(join(dir, 'enrolment.json'))).mode & 0o777).toBe(0o600);
  });

  test.each(['', '{', '{"version":2}', 'null'])('with %j for an enrolment says what to do', async (text) => {
    await writeFile(join(dir, 'enrolment.json'), text);
    await expect(readEnrolment(dir)).rejects.toMatchObject({
      code: 'ENROLMENT_UNREADABLE',
      hint: expect.stringContaining('new token'),
    });
  });

  test('gives the token as it is now', async () => {
    const path = join(dir, 'token');
    const read = tokenFile(path);
    expect(await read()).toBeUndefined();
    await writeFile(path, '  \n');
    expect(await read()).toBeUndefined();
    await writeFile(path, ' one\n');
    expect(await read()).toBe('one');
    await writeFile(path, 'two');
    expect(await read()).toBe('two');
    await expect(tokenFile(dir)()).rejects.toMatchObject({ code: 'TOKEN_FILE' });
  });
});
