import { defineConfig } from 'tsup'
import { base } from '../../tsup.base.ts'

// file by file: dist mirrors src
export default defineConfig({ ...base, entry: ['src/**/*.ts'] })
