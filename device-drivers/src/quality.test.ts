import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseYamlDocument } from '@millwright/protocol';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { DRIVER_MODULES } from './index.ts';

const Evidence = z.array(z.record(z.string(), z.string())).default([]);
/** What a driver says of itself in `quality.yaml`; the tiers are told in `_blueprint/README.md`. */
const Quality = z.strictObject({
  tier: z.enum(['bronze', 'silver', 'gold', 'platinum']),
  /** The test that holds it to the contract suite. */
  contract: z.string(),
  /** Tests against something that is not of our making, and what that is. */
  peers: Evidence,
  /** Tests that inject a fault, and which. */
  faults: Evidence,
  /** Runs against machines that can be bought. */
  machines: Evidence,
  /** What is not known to work. Nothing is ever perfect. */
  missing: z.array(z.string()).min(1),
});

const drivers = ['_blueprint', ...Object.keys(DRIVER_MODULES)];
const read = (driver: string) => {
  const name = join(import.meta.dirname, driver, 'quality.yaml');
  return parseYamlDocument({ name, text: readFileSync(name, 'utf8') }, Quality);
};

describe.each(drivers)('the driver %s', (driver) => {
  const folder = join(import.meta.dirname, driver);

  it('has what its tier asks for', () => {
    const { tier, peers, faults, machines } = read(driver);
    if (tier !== 'bronze') expect(peers).not.toEqual([]);
    if (tier === 'gold' || tier === 'platinum') expect(faults).not.toEqual([]);
    if (tier === 'platinum') expect(machines).not.toEqual([]);
  });

  it('is held to the contract suite, and names only tests that are there', () => {
    const { contract, peers, faults, machines } = read(driver);
    expect(readFileSync(join(folder, contract), 'utf8')).toContain('describeDriver({');
    for (const file of [...peers, ...faults, ...machines].flatMap((each) => Object.keys(each)))
      expect(existsSync(join(folder, file)), file).toBe(true);
  });
});

it('is said of every driver there is', () => {
  const told = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('quality.yaml'))
    .map((file) => file.split(/[\\/]/)[0]);
  expect(told.toSorted()).toEqual(drivers.toSorted());
});
