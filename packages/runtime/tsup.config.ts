import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/index.ts', 'src/sqlite/index.ts', 'src/testing/index.ts', 'src/keeper/thread.ts', 'src/sqlite/resident.ts', 'src/host/thread-main.ts'],
  format: ['esm'],
  target: 'node22',
  // tsup strips `node:` by default, which breaks `node:sqlite`
  removeNodeProtocol: false,
  sourcemap: true,
  clean: true,
  silent: true,
})
