import { defineConfig } from 'vitest/config';

/** Network and process tests share one machine of two cores: files run one after another there. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: [
            '{protocol,gateway,device-drivers,edge-models,vault-sync,fleet-controller,cloud-core}/src/**/*.test.ts',
          ],
          testTimeout: 20_000,
          maxWorkers: 2,
        },
      },
      { test: { name: 'architecture', include: ['tests/architecture/**/*.test.ts'], testTimeout: 60_000 } },
      {
        test: {
          name: 'integration',
          include: ['tests/{integration,contract,chaos,security,e2e,conformance}/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
