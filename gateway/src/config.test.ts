import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkGateway } from './check-gateway.ts';
import { readGatewayConfig } from './config.ts';
import { readSite } from './site.ts';

describe("a gateway's configuration", () => {
  let folder: string;
  let file: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millwright-config-'));
    file = join(folder, 'gateway.yaml');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const write = (text: string, name = 'gateway.yaml') => writeFileSync(join(folder, name), text);

  it('needs little: a name, a site and a device file', async () => {
    write('name: hall\nsite: works\ndevices: site.yaml\n');
    expect(await readGatewayConfig(file, {})).toMatchObject({
      name: 'hall',
      site: 'works',
      devices: join(folder, 'site.yaml'),
      types: [],
      detectors: true,
      http: { host: '127.0.0.1' },
      broker: { host: '127.0.0.1', port: 1883 },
      journal: { maxBytes: 1024 ** 3, durableWithinMs: 1000, frameAgeMs: 60_000 },
    });
  });

  it('takes sizes, durations, variables, and paths relative to the file', async () => {
    write(
      [
        'name: hall',
        'site: works',
        'region: { address: "10.0.0.1:7310", tokenFile: "${TOKEN:-secrets/token}" }',
        'http:',
        '  host: 0.0.0.0',
        '  port: ${PORT}',
        'broker: { credentials: mqtt.json }',
        'journal: { maxBytes: 1.5GiB, durableWithin: 500ms, frameAge: 10s }',
        'devices: ../site.yaml',
        'types: [types]',
        'detectors: false',
      ].join('\n'),
    );
    expect(await readGatewayConfig(file, { PORT: '8080' })).toMatchObject({
      region: { address: '10.0.0.1:7310', tokenFile: join(folder, 'secrets/token') },
      http: { host: '0.0.0.0', port: 8080 },
      broker: { credentials: join(folder, 'mqtt.json') },
      journal: { maxBytes: 1.5 * 1024 ** 3, durableWithinMs: 500, frameAgeMs: 10_000 },
      devices: join(folder, '..', 'site.yaml'),
      types: [join(folder, 'types')],
      detectors: false,
    });
  });

  it('names file, line and key of what is wrong, and the key that was meant', async () => {
    write(
      'name: Hall 1\nsite: works\ndevice: site.yaml\njournal: { maxBytes: 5 apples, durableWithin: 1ms }\n',
    );
    const failure = await readGatewayConfig(file, {}).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'CONFIG_INVALID' });
    const message = failure instanceof Error ? failure.message : '';
    expect(message).toContain(`${file}:1:`);
    expect(message).toContain('did you mean "devices"?');
    expect(message).toContain('"5 apples" is not a size; write it like "512MiB" or "1GiB"');
  });

  it('says which bound of the journal is crossed', async () => {
    write('name: hall\nsite: works\ndevices: site.yaml\njournal: { durableWithin: 1ms }\n');
    await expect(readGatewayConfig(file, {})).rejects.toThrow(/journal\.durableWithin/);
  });

  it('names the file that is missing', async () => {
    await expect(readGatewayConfig(file, {})).rejects.toMatchObject({ code: 'FILE_MISSING' });
    write('name: hall\nsite: works\ndevices: nowhere.yaml\ntypes: [gone]\n');
    const config = await readGatewayConfig(file, {});
    await expect(readSite(config, {})).rejects.toThrow(/nowhere\.yaml|gone/);
  });

  it('finds shipped types and its own, and says what it would read', async () => {
    mkdirSync(join(folder, 'types'));
    write('name: hall\nsite: works\ndevices: site.yaml\ntypes: [types]\n');
    write(
      'type: acme-fan@1\ndriver: modbus\npoints:\n  speed: { at: 0, as: uint16, write: { range: [0, 10] } }\n',
      'types/acme-fan.yaml',
    );
    write(
      '- { id: box, type: this-machine@1 }\n- { id: fan, type: acme-fan@1, connect: { tcp: "10.0.0.9:502" } }\n',
      'site.yaml',
    );
    const lines = (await checkGateway(file, {})).split('\n');
    expect(lines[0]).toBe('hall at works, no region: 2 devices');
    expect(lines[1]).toMatch(/^ {2}box: host, \d+ points$/);
    expect(lines[2]).toBe('  fan: modbus, 1 points, 1 writable');
  });
});
