import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSimulator, type Simulator } from '@millwright/device-drivers/simulators';
import { systemClock } from '@millwright/protocol/node';
import { MemoryLogger } from '@millwright/protocol/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readGatewayConfig } from '../config.ts';
import { Gateway } from '../gateway.ts';
import { readSite } from '../site.ts';
import { HomeAssistant } from './home-assistant/home-assistant.fixture.ts';

const until = (check: () => void) => vi.waitFor(check, { timeout: 60_000, interval: 50 });
const ID = 'millwright_works_meter-7';

describe('a Modbus meter behind a gateway', () => {
  let folder: string;
  let meter: Simulator;
  let gateway: Gateway;
  let home: HomeAssistant | undefined;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millwright-meter-'));
    meter = await createSimulator(
      {
        kind: 'energy-meter',
        id: 'meter-7',
        seed: 1,
        speed: 1,
        host: '127.0.0.1',
        port: 0,
        rtuOverTcp: false,
      },
      { clock: systemClock, logger: new MemoryLogger(), secret: () => undefined, folder },
    );
    await meter.start();
    const address = `127.0.0.1:${meter.port()}`;
    writeFileSync(
      join(folder, 'site.yaml'),
      `- { id: meter-7, type: energy-meter@1, connect: { tcp: "${address}" } }\n`,
    );
  });
  afterEach(async () => {
    await home?.stop();
    home = undefined;
    await gateway.stop();
    await meter.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function start(more = ''): Promise<string> {
    const text = `name: box\nsite: works\nhttp: { port: 0 }\nbroker: { port: 0 }\ndevices: site.yaml\n${more}`;
    writeFileSync(join(folder, 'gateway.yaml'), text);
    const config = await readGatewayConfig(join(folder, 'gateway.yaml'), {});
    gateway = new Gateway(
      { clock: systemClock, logger: new MemoryLogger() },
      {
        ...{ config, site: await readSite(config, {}), stateDir: join(folder, 'state') },
        ...{ dev: true, version: '1.2.3', variables: {}, pid: process.pid },
      },
    );
    await gateway.start();
    return `mqtt://${gateway.addresses?.mqtt}`;
  }

  it('is seen by Home Assistant without any configuration', async () => {
    const seen = await HomeAssistant.started(await start());
    home = seen;
    await until(() => expect(seen.state(`sensor.${ID}_voltage_l1`)).toMatch(/^2[23]\d(\.\d+)? V$/));
    await until(() => expect(seen.state(`sensor.${ID}_energy`)).toMatch(/^\d+(\.\d+)? kWh$/));
    expect(seen.ids.some((id) => /^(switch|number)\./.test(id))).toBe(false);
    await meter.stop();
    await until(() => expect(seen.state(`sensor.${ID}_voltage_l1`)).toBe('unavailable'));
    expect(seen.problems).toEqual([]);
  });

  it('is switched from Home Assistant when a role is configured', async () => {
    const seen = await HomeAssistant.started(await start('publish: { homeAssistant: { role: operator } }\n'));
    home = seen;
    await until(() => expect(seen.state(`number.${ID}_demand_limit`)).toMatch(/ kW$/));
    await seen.set(`number.${ID}_demand_limit`, '77');
    await until(() => expect(seen.state(`number.${ID}_demand_limit`)).toBe('77 kW'));
    expect(seen.problems).toEqual([]);
  });
});
