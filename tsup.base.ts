import type { Options } from 'tsup'

/** How every package is built. */
export const base: Options = {
  // threads find their entries beside the code that starts them
  bundle: false,
  format: ['esm'],
  target: 'node22',
  // tsup strips `node:` by default, which breaks `node:sqlite`
  removeNodeProtocol: false,
  sourcemap: true,
  clean: true,
  silent: true,
}
