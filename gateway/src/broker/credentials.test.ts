import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryClock } from '@millwright/protocol/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { BrokerCredentials } from './credentials.ts';
import { PasswordVerifier } from './verifier.ts';

const folders: string[] = [];
const newPath = () => {
  const folder = mkdtempSync(join(tmpdir(), 'millwright-credentials-'));
  folders.push(folder);
  return join(folder, 'state', 'broker-credentials.json');
};
const open = (path: string) => new BrokerCredentials({ clock: new MemoryClock() }, { path });

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

describe('broker credentials', () => {
  it('a new one has a generated password that is stored nowhere, in a file only its owner can read', async () => {
    const path = newPath();
    const credentials = open(path);
    const { password } = await credentials.add({ username: 'hall-th' });
    expect(password.length).toBeGreaterThan(25);
    expect(readFileSync(path, 'utf8')).not.toContain(password);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(credentials.get('hall-th')).toMatchObject({ publish: ['%u/#'], subscribe: ['%u/#'] });
  });

  it('another reader sees what was added, and is told who lost access', async () => {
    const path = newPath();
    const [writer, reader] = [open(path), open(path)];
    expect(await reader.reload()).toEqual([]);
    await writer.add({ username: 'a' });
    await writer.add({ username: 'b', publish: ['x/#'], subscribe: [] });
    expect(await reader.reload()).toEqual([]);
    expect(reader.list().map((one) => one.username)).toEqual(['a', 'b']);
    expect(await writer.remove('a')).toBe(true);
    expect(await writer.remove('a')).toBe(false);
    expect(await reader.reload()).toEqual(['a']);
    expect(await reader.reload()).toEqual([]);
  });

  it.each([
    ['a name with a slash', { username: 'a/b' }, /username: must be/],
    ['a name with a wildcard', { username: '#' }, /username: must be/],
    [
      'a filter that is none',
      { username: 'a', publish: ['x/#/y'] },
      /publish\.0: must be an MQTT topic filter/,
    ],
    ["the broker's own topics", { username: 'a', subscribe: ['$SYS/#'] }, /must not begin with/],
    ['a short password', { username: 'a', password: 'short' }, /8–200 characters/],
  ])('%s is refused', async (_what, wanted, message) => {
    await expect(open(newPath()).add(wanted)).rejects.toThrow(message);
  });

  it('one that is ensured is added, then left alone, then changed with its password or topics', async () => {
    const path = newPath();
    const credentials = open(path);
    const wanted = { username: 'a', password: 'x'.repeat(40), publish: ['a/#'], subscribe: [] };
    expect(await credentials.ensure(wanted)).toBe('added');
    const text = readFileSync(path, 'utf8');
    expect(await open(path).ensure(wanted)).toBe('unchanged');
    expect(readFileSync(path, 'utf8')).toBe(text);
    expect(await credentials.ensure({ ...wanted, publish: ['b/#'] })).toBe('changed');
    expect(await credentials.ensure({ ...wanted, password: 'y'.repeat(40) })).toBe('changed');
    expect(credentials.list()).toMatchObject([{ username: 'a', publish: ['a/#'], subscribe: [] }]);
  });

  it('a second one of the same name is refused', async () => {
    const credentials = open(newPath());
    await credentials.add({ username: 'a' });
    await expect(credentials.add({ username: 'a' })).rejects.toMatchObject({ code: 'CREDENTIAL_EXISTS' });
  });

  it('a damaged file is named, and what was known stays in force', async () => {
    const path = newPath();
    const credentials = open(path);
    await credentials.add({ username: 'a' });
    writeFileSync(path, '{"version":1,"credentials":[{"username":"b"}]}');
    await expect(credentials.reload()).rejects.toMatchObject({
      code: 'CREDENTIALS_INVALID',
      message: expect.stringContaining(path),
    });
    expect(credentials.get('a')).toBeDefined();
  });

  it('a file others can read is closed to them', async () => {
    const path = newPath();
    const credentials = open(path);
    await credentials.add({ username: 'a' });
    chmodSync(path, 0o644);
    await open(path).reload();
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });
});

describe('the password verifier', () => {
  it('tells right from wrong, and an unknown user from neither', async () => {
    const credentials = open(newPath());
    const generated = await credentials.add({ username: 'a' });
    await credentials.add({ username: 'b', password: 'correct horse' });
    const verifier = new PasswordVerifier();
    const verify = (name: string, password: string) =>
      verifier.verify(credentials.get(name), Buffer.from(password));
    expect(await verify('a', generated.password)).toBe('right');
    expect(await verify('b', 'correct horse')).toBe('right');
    expect(await verify('b', generated.password)).toBe('wrong');
    expect(await verify('nobody', generated.password)).toBe('wrong');
    expect(await verify('a', '')).toBe('wrong');
  });

  it('derives once for a client that comes again and again, right or wrong', async () => {
    const credentials = open(newPath());
    const { password } = await credentials.add({ username: 'a' });
    const verifier = new PasswordVerifier();
    for (let turn = 0; turn < 20; turn++) {
      expect(await verifier.verify(credentials.get('a'), Buffer.from(password))).toBe('right');
      expect(await verifier.verify(credentials.get('a'), Buffer.from('wrong'))).toBe('wrong');
    }
    expect(verifier.derivations).toBe(2);
  });

  it('does not remember a password past the change of its credential', async () => {
    const credentials = open(newPath());
    const { password } = await credentials.add({ username: 'a' });
    const verifier = new PasswordVerifier();
    expect(await verifier.verify(credentials.get('a'), Buffer.from(password))).toBe('right');
    await credentials.remove('a');
    await credentials.add({ username: 'a' });
    expect(await verifier.verify(credentials.get('a'), Buffer.from(password))).toBe('wrong');
  });

  it('says busy when too many wait', async () => {
    const verifier = new PasswordVerifier();
    const verdicts = await Promise.all(
      Array.from({ length: 600 }, (_, no) => verifier.verify(undefined, Buffer.from(`guess ${no}`))),
    );
    expect(new Set(verdicts)).toEqual(new Set(['wrong', 'busy']));
    expect(verdicts.filter((verdict) => verdict === 'busy')).toHaveLength(600 - 502);
  });
});
