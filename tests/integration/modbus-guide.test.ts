import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..');
const PAGE = readFileSync(join(ROOT, 'docs', 'guides', 'connect-a-modbus-device.md'), 'utf8');
const slow = { timeout: 240_000 };
const patience = { timeout: 120_000, interval: 200 };

/** The page's commands, one to a line, in order. */
const commands = [...PAGE.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, text = '']) =>
  text.trim().split('\n'),
);
/** The page's files, named in the words before them: `` `site.yaml` ``. */
const files = [...PAGE.matchAll(/`(\w+\.yaml)`[^`]*(?:`[^`\n]+`[^`]*)*?\n\n```yaml\n([\s\S]*?)```/g)].map(
  ([, name = '', text = '']) => ({ name, text }),
);

/** The page's ports, and those used here. */
const ports = new Map<string, number>();
const SUNSPEC_DEVICE = '10.0.4.7:502';
let folder: string;
const children: ChildProcess[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millwright-guide-'));
  for (const port of ['5020', '8470', '1883']) ports.set(port, await freePort());
  for (const { name, text } of files) await writeFile(join(folder, name), here(text));
});
afterAll(async () => {
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    await gone;
  }
  await rm(folder, { recursive: true, force: true });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function here(text: string): string {
  return [...ports].reduce((sum, [shown, used]) => sum.replaceAll(shown, String(used)), text);
}

/** The page's one command that begins like this. */
function command(start: string): string[] {
  const found = commands.filter((each) => each.startsWith(start));
  expect(found.length, `commands that begin with "${start}"`).toBe(1);
  return here(found[0] ?? '').split(' ');
}

/** Runs a command of the page in the folder of its files. `npm run` would change to the repository's. */
function run(words: readonly string[]): { readonly child: ChildProcess; output(): string } {
  const isOurs = words.slice(0, 4).join(' ') === 'npm run millwright --';
  const [program = '', ...args] = isOurs
    ? [process.execPath, join(ROOT, 'millwright.ts'), ...words.slice(4)]
    : words;
  const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  children.push(child);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
  }
  return { child, output: () => text };
}

async function finish(words: readonly string[]): Promise<string> {
  const { child, output } = run(words);
  const [code] = await once(child, 'close');
  expect(`${code}\n${output()}`).toMatch(/^0\n/);
  return output();
}

const MILLWRIGHT = 'npm run millwright -- ';

describe('the guide that connects a Modbus device', () => {
  it('has a device to try it with', slow, async () => {
    expect(files.map(({ name }) => name)).toEqual(['site.yaml', 'gateway.yaml']);
    const { output } = run(command(`${MILLWRIGHT}simulate`));
    await expect.poll(output, patience).toContain('In a site file');
  });

  it.skipIf(!existsSync('/usr/bin/mbpoll'))('finds the device with another tool', slow, async () => {
    expect(await finish(command('mbpoll'))).toMatch(/\[0\]:\s+2\d\d/);
  });

  it('describes it in a file that is right', slow, async () => {
    expect(await finish(command(`${MILLWRIGHT}device check`))).toContain(
      'site.yaml is right: 1 devices, 5 points',
    );
  });

  it('shows what will be asked of it', slow, async () => {
    const plan = await finish(command(`${MILLWRIGHT}device plan`));
    expect(plan).toContain('read holding 200');
    expect(plan).toContain('read coil 3');
  });

  it('reads it', slow, async () => {
    const read = await finish(command(`${MILLWRIGHT}device read`));
    expect(read).toMatch(/voltage_l1\s+2\d\d[\d.]*\s+V\s+good/);
    expect(read).toMatch(/breaker\s+true\s+good/);
  });

  it('writes to it only when told to', slow, async () => {
    const [dry = '', real = ''] = commands.filter((each) => each.startsWith(`${MILLWRIGHT}device write`));
    expect(await finish(here(dry).split(' '))).toContain('would write meter-7 demand_limit = 250 kW');
    expect(await finish(here(real).split(' '))).toContain('it reads 250 kW');
  });

  it('lets a gateway serve it, whose page and API show its values', slow, async () => {
    const gateway = run(command(`${MILLWRIGHT}gateway run`));
    const [, url = ''] = command('curl');
    const values = async () => {
      const answer = await fetch(url).catch(() => undefined);
      return answer?.ok === true ? await answer.text() : gateway.output().slice(-2000);
    };
    await expect.poll(values, patience).toMatch(/"voltage_l1"/);
    await expect.poll(values, patience).toMatch(/"q":\s*"good"/);
    const page = await fetch(here('http://127.0.0.1:8470/'));
    expect(await page.text()).toContain('meter-7');
  });

  it('asks a device what it is, and is told when it cannot say', slow, async () => {
    const words = command(`${MILLWRIGHT}device discover`).map((word) =>
      word.replace(SUNSPEC_DEVICE, `127.0.0.1:${ports.get('5020')}`),
    );
    const { child, output } = run(words);
    const [code] = await once(child, 'close');
    expect(output()).toContain('it is no SunSpec device');
    expect(code).toBe(1);
  });

  it('has no command that is not run here', () => {
    expect(commands.length).toBe(10);
  });
});
