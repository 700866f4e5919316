import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@millwright/protocol/node/system-clock';
import { MemoryLogger } from '@millwright/protocol/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readGatewayConfig } from '../config.ts';
import { MemoryDrivers } from '../devices/memory-driver.fixture.ts';
import { Gateway } from '../gateway.ts';
import { readSite } from '../site.ts';
import { readSiteRules } from './read-site-rules.ts';

const CONFIG =
  'name: box\nsite: here\nhttp: { port: 0 }\nbroker: { port: 0 }\ndevices: site.yaml\nrules: rules.d/*.yaml\n';
const SITE = `
- id: hall
  driver: mqtt
  connect: { broker: local, base: hall }
  points:
    t: { topic: ~/t, as: float64 }
    fan: { topic: ~/fan, as: float64, command: { topic: ~/fan/set }, write: { range: [0, 100] } }
    on: { topic: ~/on, as: bool }
`;
const HOT =
  'rule: hot\ninputs: { t: hall/t }\nwhen: t > 30\ndo:\n  - alarm: { message: "{t} is hot" }\n  - write: { point: hall/fan, value: 200 }\n  - publish: { topic: site/hot, payload: "{t}", retain: true }\n';
const SLOW_MS = { timeout: 30_000 };

describe('a gateway with rules', () => {
  let folder: string;
  let gateway: Gateway;
  let drivers: MemoryDrivers;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millwright-rules-'));
    mkdirSync(join(folder, 'rules.d'));
    writeFileSync(join(folder, 'gateway.yaml'), CONFIG);
    writeFileSync(join(folder, 'site.yaml'), SITE);
    writeFileSync(join(folder, 'rules.d', 'hot.yaml'), HOT);
  });
  afterEach(async () => {
    await gateway?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function start(): Promise<void> {
    drivers = new MemoryDrivers();
    const config = await readGatewayConfig(join(folder, 'gateway.yaml'), {});
    const site = await readSite(config, {});
    gateway = new Gateway(
      { clock: systemClock, logger: new MemoryLogger(), modules: drivers.modules },
      {
        ...{ config, site, rules: await readSiteRules(config, site, {}), stateDir: join(folder, 'state') },
        ...{ dev: false, version: '1.2.3', variables: {}, pid: process.pid },
      },
    );
    await gateway.start();
    await expect.poll(() => drivers.log, SLOW_MS).toContain('started hall');
    drivers.setOnline('hall');
  }

  async function get<T>(path: string): Promise<T> {
    const answer = await fetch(new URL(path, gateway.addresses?.http));
    return (await answer.json()) as T;
  }
  type Rule = {
    id: string;
    holds: boolean;
    firings: number;
    lastFiredAtMs: number;
    lastError?: { message: string };
  };
  const rules = async () => (await get<{ items: Rule[] }>('api/v1/rules')).items;
  const events = async () =>
    (await get<{ items: { type: string; message: string }[] }>('api/v1/events/recent')).items;

  it('does what they say, with the checks that hold for everybody', async () => {
    await start();
    drivers.send('hall', 't', 31);
    await expect.poll(async () => (await events()).map(({ type }) => type), SLOW_MS).toContain('rule.failed');
    const [rule] = await rules();
    expect(rule).toMatchObject({ id: 'hot', holds: true, firings: 1 });
    expect(rule?.lastFiredAtMs).toBeGreaterThan(0);
    expect(rule?.lastError?.message).toContain('200');
    const happened = await events();
    expect(happened.map(({ type }) => type)).toEqual(
      expect.arrayContaining(['rule.fired', 'alarm.raised', 'command.refused', 'rule.failed']),
    );
    expect(happened.find(({ type }) => type === 'alarm.raised')?.message).toContain('31 is hot');
    const metrics = await (await fetch(new URL('metrics', gateway.addresses?.http))).text();
    expect(metrics).toContain('millwright_rule_firings_total 1');
    expect(metrics).toContain('millwright_rules 1');
  });

  it('reads them again, and refuses wrong ones as a whole', async () => {
    await start();
    writeFileSync(join(folder, 'rules.d', 'cold.yaml'), HOT.replaceAll('hot', 'cold').replace('> 30', '< 5'));
    await gateway.reload();
    expect((await rules()).map(({ id }) => id)).toEqual(['cold', 'hot']);
    writeFileSync(
      join(folder, 'rules.d', 'cold.yaml'),
      HOT.replaceAll('hot', 'cold').replace('hall/t', 'hall/x'),
    );
    await gateway.reload();
    expect((await rules()).map(({ id }) => id)).toEqual(['cold', 'hot']);
    const refused = (await events()).find(({ type }) => type === 'config.refused');
    expect(refused?.message).toContain('cold.yaml:2:14: inputs.t: hall has no point "x"');
    drivers.send('hall', 't', 2);
    await expect.poll(async () => (await rules())[0], SLOW_MS).toMatchObject({ id: 'cold', firings: 1 });
  });

  it('goes on where it stopped', async () => {
    await start();
    drivers.send('hall', 't', 31);
    await expect.poll(async () => (await rules())[0]?.firings, SLOW_MS).toBe(1);
    await gateway.stop();
    await start();
    drivers.send('hall', 't', 32);
    drivers.send('hall', 't', 20);
    await expect.poll(async () => (await rules())[0], SLOW_MS).toMatchObject({ firings: 1, holds: false });
    expect((await get<{ items: unknown[] }>('api/v1/alarms')).items).toMatchObject([
      { alarm: 'hot', isActive: false },
    ]);
  });

  it.each<[what: string, from: string, to: string, fault: string]>([
    ['an unknown device', 'hall/t', 'hal/t', 'hot.yaml:2:14: inputs.t: there is no device "hal"'],
    [
      'a switch that is taken for a number',
      'hall/t',
      'hall/on',
      'hall/on is a bool; write { point: …, as: bool }',
    ],
    [
      'a point that cannot be written',
      'point: hall/fan',
      'point: hall/t',
      'hot.yaml:6:21: do[1].write.point: hall/t is not writable',
    ],
    [
      'a schedule by the sun and no place',
      'when: t > 30',
      'when: t > 30\nschedule: { sun: dusk }',
      'hot.yaml:4:11: schedule: "dusk" needs to know where the site is',
    ],
  ])('does not start with %s', async (_, from, to, fault) => {
    writeFileSync(join(folder, 'rules.d', 'hot.yaml'), HOT.replace(from, to));
    await expect(start()).rejects.toThrow(fault);
  });
});
