/**
 * Two sets of tests: `unit`, fast and in parallel, and `e2e`, with real servers, browsers and clusters, one file at a
 * time.
 */

import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/e2e/**', 'test/chaos/runs/**'],
          environment: 'node',
          // Nothing should take long; a machine that does other things besides must not fail for it.
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts', 'test/chaos/runs/*.test.ts'],
          environment: 'node',
          fileParallelism: false,
          // Sound in real time through a browser: a machine that stalls for a second may cost a word. Vitest reports it.
          retry: 1,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
