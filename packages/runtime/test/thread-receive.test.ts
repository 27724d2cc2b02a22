import { expect, test } from 'vitest'
import { deferred } from '../src/host/deferred.js'
import type { FromThread, ToThread } from '../src/host/port.js'
import { createQuestions } from '../src/host/questions.js'
import { createReceiver, type TaskListener, type ThreadState } from '../src/host/thread-receive.js'
import { testSurroundings } from './host-fixtures.js'

/** A worker's side that hears the delivery `current`, and what it heard, asked and sent. */
function receiving() {
  const around = testSurroundings()
  const heard: string[] = []
  const sent: ToThread[] = []
  const listener: TaskListener = {
    fence: 'current',
    hear: (message) => void heard.push(message.kind),
    log: ({ event }) => void heard.push(event),
    ask: async ({ what }) => void heard.push(what),
  }
  const thread: ThreadState = {
    alive: true,
    expected: false,
    listener,
    giveUpSeen: () => {},
    ready: deferred(),
    stopped: deferred(),
    questions: createQuestions(),
    asked: new Map(),
    send: (message) => void sent.push(message),
  }
  return { receive: createReceiver(thread, around), thread, heard, sent, around }
}

const ended = { kind: 'succeeded', result: '1' } as const

const messages = (fence: string): readonly FromThread[] => [
  { kind: 'progress', fence, progress: { done: 1, total: null, note: null } },
  { kind: 'abort_seen', fence },
  { kind: 'outcome', fence, outcome: ended },
  { kind: 'log', lines: [{ fence, level: 'info', event: 'line', fields: undefined }] },
  { kind: 'ask', ref: 1, ask: { what: 'checkpoint', fence, value: '1' } },
  { kind: 'ask', ref: 2, ask: { what: 'submit', fence, type: 't', payload: '{}', options: { key: 'k' } } },
]

test('hears the delivery that runs', async () => {
  const { receive, heard, sent } = receiving()
  messages('current').forEach(receive)
  await new Promise(setImmediate)
  expect(heard).toEqual(['progress', 'abort_seen', 'outcome', 'line', 'checkpoint', 'submit'])
  expect(sent).toMatchObject([{ answer: { ok: true } }, { answer: { ok: true } }])
})

test.each(['old', 'none'])(
  'ignores what comes with another fence, and refuses what it asks (%s)',
  async (which) => {
    const { receive, thread, heard, sent, around } = receiving()
    if (which === 'none') thread.listener = null
    messages('old').forEach(receive)
    await new Promise(setImmediate)
    expect(heard).toEqual([])
    expect(sent).toMatchObject([
      { kind: 'answer', ref: 1, answer: { ok: false, error: { code: 'aborted' } } },
      { kind: 'answer', ref: 2, answer: { ok: false, error: { code: 'aborted' } } },
    ])
    // a late line is the plugin's, not the task's
    expect(around.lines).toMatchObject([{ event: 'line' }])
  },
)

test('a metric that the worker refuses is logged and harms nothing', () => {
  const { thread, around } = receiving()
  const metrics = {
    ...around.metrics,
    counter: () => {
      throw new Error('bad name')
    },
  }
  const receive = createReceiver(thread, { ...around, metrics })
  receive({ kind: 'instrument', ref: 0, instrument: { kind: 'counter', spec: { name: 'x', help: 'x' } } })
  receive({ kind: 'measure', updates: [{ ref: 0, labels: undefined, values: [1] }] })
  expect(around.lines).toMatchObject([
    { level: 'error', event: 'plugin_metric_refused', fields: { error: 'bad name' } },
  ])
})
