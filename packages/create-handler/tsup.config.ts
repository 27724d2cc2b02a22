import { defineConfig } from 'tsup'

export default defineConfig({
  // file by file: dist mirrors src
  entry: ['src/**/*.ts'],
  bundle: false,
  format: ['esm'],
  target: 'node22',
  // tsup strips `node:` by default, which breaks `node:sqlite`
  removeNodeProtocol: false,
  sourcemap: true,
  clean: true,
  silent: true,
})
