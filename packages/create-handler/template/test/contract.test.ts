import { readdir } from 'node:fs/promises'
import { testPlugin } from '@mcp-worker/runtime/testing'
import plugin from '../src/index.ts'

// inline and in a real thread: it runs, refuses what does not fit, stops at its signal, and has the effect of one run however often it is
// delivered and wherever its worker dies
testPlugin(plugin(), {
  samples: {
    my_task: {
      payload: { texts: ['one', 'two', 'three'] },
      invalid: [{}, { texts: [] }, { texts: [1] }, { texts: ['one'], more: true }],
      state: async ({ dataDir }) => (await readdir(dataDir)).toSorted(),
    },
  },
})
