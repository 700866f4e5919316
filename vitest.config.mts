import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

const reports = process.env.MILLWRIGHT_TEST_REPORTS;

/** Network and process tests share one machine of two cores: files run one after another there. */
export default defineConfig({
  test: {
    // Real sockets, disks and processes on a busy machine: one more try in CI, and the report says so.
    retry: process.env.CI === undefined ? 0 : 1,
    ...(reports === undefined
      ? {}
      : { reporters: ['default', ['json', { outputFile: join(reports, `${process.pid}.json`) }]] }),
    projects: [
      {
        test: {
          name: 'unit',
          include: [
            'fleet-controller/console/src/**/*.test.ts',
            '{protocol,gateway,device-drivers,edge-models,vault-sync,fleet-controller,cloud-core}/src/**/*.test.ts',
          ],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: 2,
        },
      },
      { test: { name: 'architecture', include: ['tests/architecture/**/*.test.ts'], testTimeout: 60_000 } },
      {
        test: {
          name: 'integration',
          include: ['tests/{integration,contract,chaos,security,e2e,conformance}/**/*.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
