import { createRequire } from 'node:module'
import { definePlugin } from '@mcp-worker/runtime'
import { keepTexts } from './keep-texts.ts'
import { optionsSchema, payloadSchema, resultSchema } from './schemas.ts'
import { openTextFolder } from './text-folder.ts'

const { version } = createRequire(import.meta.url)('../package.json') as { readonly version: string }

export default definePlugin({
  contract: 1,
  name: 'handler-my-task',
  version,
  module: import.meta.url,
  options: optionsSchema,
  host: 'thread', // a thread can be killed: even an endless loop ends at its timeout
  setup: ({ options, dataDir }) => openTextFolder(dataDir, options),
  health: ({ deps }) => deps.check(),
  handlers: (handler) => [
    handler('my_task', {
      description: 'Keeps texts, each in a file of its own.',
      payload: payloadSchema,
      result: resultSchema,
      timeout: '2m',
      run: keepTexts,
    }),
  ],
})
