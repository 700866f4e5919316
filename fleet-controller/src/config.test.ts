import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readRegionConfig } from './config.ts';
import { temporaryFolder } from './postgres/test-server.fixture.ts';

let folder: string;
beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function read(text: string, variables: Readonly<Record<string, string>> = {}) {
  const file = join(folder, 'region.yaml');
  await writeFile(file, text);
  return readRegionConfig(file, variables);
}

test('a region needs a name and nothing else, and keeps to its own machine', async () => {
  expect(await read('region: north\n')).toEqual({
    region: 'north',
    http: { host: '127.0.0.1', port: 7300, hosts: [] },
    uplink: { host: '127.0.0.1', port: 7310 },
    database: {},
    share: { latest: false, rollups: [] },
    silentAfter: 900_000,
  });
});

test('paths are relative to the file, ports may come from variables', async () => {
  await mkdir(join(folder, 'secrets'));
  const config = await read(
    `region: north
http:
  port: \${HTTP}
cloud: { url: "http://127.0.0.1:9", tokenFile: secrets/token }
share: { latest: true, rollups: ["*.energy"] }
`,
    { HTTP: '8080' },
  );
  expect(config.http.port).toBe(8080);
  expect(config.cloud?.tokenFile).toBe(join(folder, 'secrets', 'token'));
  expect(config.share).toEqual({ latest: true, rollups: ['*.energy'] });
});

test.each([
  ['region: North', /region\.yaml:1:9: region: .*lower-case/],
  ['region: north\nhttp: { prot: 1 }', /region\.yaml:2:.*http.*did you mean "port"/],
  ['region: north\nhttp: { port: 70000 }', /http\.port/],
  ['region: north\ndatabase: { url: "mysql://x" }', /database\.url.*postgresql:\/\//],
  ['region: north\ncloud: { url: "ftp://x", tokenFile: t }', /cloud\.url.*http/],
  ['region: north\nsilentAfter: soon', /silentAfter.*duration/],
])('a wrong file is refused by line, field and value: %s', async (text, words) => {
  await expect(read(text)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringMatching(words),
  });
});

test('a missing file is named', async () => {
  await expect(readRegionConfig(join(folder, 'no.yaml'), {})).rejects.toMatchObject({
    code: 'CONFIG_MISSING',
    message: expect.stringContaining('no.yaml'),
  });
});
