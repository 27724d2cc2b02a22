import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/main.ts', 'src/index.ts'],
  format: ['esm'],
  target: 'node22',
  // tsup strips `node:` by default, which breaks `node:sqlite`
  removeNodeProtocol: false,
  sourcemap: true,
  clean: true,
  silent: true,
})
