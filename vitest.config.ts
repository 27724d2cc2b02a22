import { defineConfig } from 'vitest/config'

// workspace packages resolve to their sources, so unit tests need no build
const conditions = ['@mcp-worker/source', 'node', 'module']

export default defineConfig({
  test: {
    globalSetup: ['./scripts/require-node.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // one second, the default, is no sign of a fault on a busy machine
    expect: { poll: { timeout: 50_000 } },
    // most tests wait for a process, a disk or a server: one worker per core less one, the default, leaves the cores idle
    maxWorkers: 3,
    projects: [
      {
        extends: true,
        resolve: { conditions },
        ssr: { resolve: { conditions } },
        test: {
          name: 'unit',
          include: ['packages/*/test/**/*.test.ts'],
          exclude: ['**/*.built.test.ts', '**/node_modules/**'],
        },
      },
      {
        // tests that start threads or processes run on what is published: the built output
        extends: true,
        test: {
          name: 'built',
          include: ['apps/*/test/**/*.test.ts', 'packages/*/test/**/*.built.test.ts'],
        },
      },
    ],
    reporters: ['default', './scripts/plain-reporter.ts'],
    coverage: {
      provider: 'v8',
      include: ['packages/*/src/**', 'apps/*/src/**'],
      reporter: ['text', 'json-summary'],
    },
  },
})
