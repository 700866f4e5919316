import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { registerDerive } from './derive.ts';

describe('millwright device derive', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millwright-derive-'));
    await writeFile(
      join(folder, 'site.yaml'),
      '- { id: meter, type: energy-meter@1, connect: { tcp: "h:502" } }\n- { id: box, type: this-machine@1 }\n',
    );
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function derive(format: string, ...more: string[]): Promise<string> {
    const lines: string[] = [];
    const out = vi.spyOn(process.stdout, 'write').mockImplementation((text) => lines.push(String(text)) > 0);
    const program = new Command('device').exitOverride().configureOutput({ writeErr: () => undefined });
    registerDerive(program, {});
    try {
      await program.parseAsync(['derive', format, join(folder, 'site.yaml'), ...more], { from: 'user' });
    } finally {
      out.mockRestore();
    }
    return lines.join('');
  }

  it('prints sheets of all devices, or of one', async () => {
    expect(await derive('sheet')).toMatch(/# meter\n[\s\S]*# box\n/);
    expect(await derive('sheet', '--device', 'meter')).not.toContain('# box');
    await expect(derive('sheet', '--device', 'metre')).rejects.toMatchObject({
      code: 'UNKNOWN_DEVICE',
      hint: 'there are meter, box',
    });
  });

  it('prints Thing Descriptions: one, or a list', async () => {
    expect(JSON.parse(await derive('td', '--device', 'meter', '--site-name', 'works'))).toMatchObject({
      id: 'urn:millwright:works:meter',
    });
    expect(JSON.parse(await derive('td'))).toHaveLength(2);
  });

  it('prints what Home Assistant is told', async () => {
    const [message] = JSON.parse(await derive('ha', '--device', 'meter', '--commands'));
    expect(message).toMatchObject({
      topic: 'homeassistant/device/millwright_site_meter/config',
      payload: { cmps: { demand_limit: { p: 'number', cmd_t: 'mw/site/meter/demand_limit/set' } } },
    });
  });
});
