import { defineConfig } from 'tsup'

/** How every package is built; each has it in a tsup.config.ts of its own. */
export default defineConfig({
  // file by file: dist mirrors src, so that threads find their entries beside the code that starts them
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
