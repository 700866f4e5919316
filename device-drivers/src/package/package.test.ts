import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DeviceSpecOf, InlineDevice, PointId, PointNo } from '@millwright/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LinePeer } from '../_blueprint/test-peer.ts';
import type { DriverDevice } from '../driver.ts';
import { describeDriver, Recorder } from '../testing/index.ts';
import { packageDriver } from './index.ts';
import { PackageDriver } from './package-driver.ts';

const BLUEPRINT = join(import.meta.dirname, '..', '_blueprint', 'index.ts');

describeDriver({
  name: 'a driver that comes as a package',
  module: packageDriver,
  createPeer: () => LinePeer.create(BLUEPRINT),
  points: {
    number: PointId.parse('level'),
    writable: PointId.parse('speed'),
    spoilable: PointId.parse('level'),
  },
  values: [12.5, 13],
  unplugs: true,
  reads: true,
});

function device(name: string, connect: object = {}, at: unknown = 'level'): DriverDevice<'package'> {
  const points = { level: { at, as: 'float64' } };
  const spec = InlineDevice.parse({ id: 'tank-1', driver: 'package', package: name, connect, points });
  return {
    spec: spec as DeviceSpecOf<'package'>,
    numbers: new Map([[PointId.parse('level'), PointNo.parse(0)]]),
  };
}

describe('a package', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millwright-package-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const start = (given: DriverDevice<'package'>) =>
    new PackageDriver([given], new Recorder().deps(), folder).start();

  it('that is not installed is named, with what to do', async () => {
    await expect(start(device('@acme/no-such-driver'))).rejects.toMatchObject({
      code: 'DRIVER_NOT_INSTALLED',
      hint: expect.stringContaining('npm install @acme/no-such-driver'),
    });
  });

  it.each([
    ['throws while it is loaded', 'throw new Error("out of luck")', 'DRIVER_BROKEN', 'out of luck'],
    ['is no driver', 'exports.something = 1', 'NOT_A_DRIVER', 'millwrightDriver'],
  ])('that %s is refused', async (_, code, error, words) => {
    writeFileSync(join(folder, 'driver.cjs'), code);
    await expect(start(device('./driver.cjs'))).rejects.toMatchObject({
      code: error,
      message: expect.stringContaining(words),
    });
  });

  it('is told only of devices that its own schemas accept', async () => {
    await expect(start(device(BLUEPRINT, { host: 'tank', port: 0 }, 'two words'))).rejects.toMatchObject({
      code: 'DEVICE_INVALID',
      message: expect.stringMatching(/tank-1\.connect\.port: .*; tank-1\.points\.level\.at: must be 1–100/),
    });
  });
});
