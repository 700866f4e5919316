import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const slow = { timeout: 60_000 };
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millwright-tools-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function millwright(...args: string[]) {
  const child = fork(join(import.meta.dirname, 'cli.fixture.ts'), args, { cwd: folder, silent: true });
  let [out, err] = ['', ''];
  child.stdout?.on('data', (bytes) => {
    out += bytes;
  });
  child.stderr?.on('data', (bytes) => {
    err += bytes;
  });
  const [code] = await once(child, 'close');
  return { code, out, err };
}

const SITE = `
- { id: box, type: this-machine@1 }
- id: meter
  type: energy-meter@1
  connect: { tcp: "127.0.0.1:5520" }
  points: { apparent: { compute: voltage_l1 * current_l1 / 1000, unit: kV.A } }
- { id: hall, type: room-thermostat@1, connect: { broker: local, base: hall/th } }
`;

describe('millwright device plan', () => {
  it('tells what will be asked of each device, and how often', slow, async () => {
    await writeFile(join(folder, 'site.yaml'), SITE);
    const { code, out, err } = await millwright('device', 'plan', 'site.yaml');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/meter \(energy-meter@1\) on tcp:\/\/127\.0\.0\.1:5520/);
    expect(out).toMatch(/read holding 0–23\s+every 1s\s+12\s+24 registers/);
    expect(out).toContain('1 more point is computed from these');
    expect(out).toMatch(/subscribe hall\/th\/state\s+when it changes\s+5/);
    expect(out).toContain('setpoint is written to hall/th/set/setpoint');
    expect(out).toMatch(/look at the machine\s+every 1s\s+10/);
    expect(out).toMatch(/3 devices on 3 lines: 31 points in \d+ requests, [\d.]+ polls a second/);
  });

  it('tells it of one device, for programs', slow, async () => {
    await writeFile(join(folder, 'site.yaml'), SITE);
    const { out } = await millwright('device', 'plan', 'site.yaml', 'meter', '--json');
    expect(JSON.parse(out)).toMatchObject([{ device: 'meter', pollsPerS: 3.2, requests: { length: 5 } }]);
    const { code, err } = await millwright('device', 'plan', 'site.yaml', 'metre');
    expect({ code, err: err.includes('it has box, meter, hall') }).toEqual({ code: 1, err: true });
  });
});

describe('millwright device check', () => {
  it('counts computed points, and names the place inside a wrong expression', slow, async () => {
    await writeFile(join(folder, 'site.yaml'), SITE);
    const { out } = await millwright('device', 'check', 'site.yaml', '--json');
    expect(JSON.parse(out).devices[1]).toMatchObject({ id: 'meter', points: 16, computed: 1, writable: 2 });
    await writeFile(join(folder, 'site.yaml'), SITE.replace('current_l1', 'curent_l1'));
    const { code, err } = await millwright('device', 'check', 'site.yaml');
    expect(code).toBe(2);
    expect(err).toMatch(/site\.yaml:6:47: meter\.points\.apparent\.compute: .*did you mean "current_l1"\?/);
  });
});

describe('millwright device discover', () => {
  it.each([
    [['modbux'], 'there is no driver "modbux"'],
    [['host'], 'driver "host" cannot look for devices'],
    [['modbus', 'tcp'], '"tcp" is not written key=value'],
    [['modbus', 'tpc=10.0.0.1:502'], 'tpc'],
  ])('%j says what is wrong', slow, async (args, message) => {
    const { code, err } = await millwright('device', 'discover', ...args);
    expect(code).not.toBe(0);
    expect(err).toContain(message);
  });
});

describe('millwright device schema', () => {
  it('prints the schema, or writes it', slow, async () => {
    const { out } = await millwright('device', 'schema', 'site');
    expect(JSON.parse(out)).toMatchObject({ type: 'array' });
    expect((await millwright('device', 'schema', 'type', '-o', 'type.json')).out).toContain(
      'wrote type.json',
    );
    expect(JSON.parse(await readFile(join(folder, 'type.json'), 'utf8'))).toHaveProperty('anyOf');
  });
});
