import { EventEmitter, once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { createWorker, memoryQueue } from '@mcp-worker/runtime'
import { expect, it } from 'vitest'
import { failing, refusal, wordsWorkers } from './words-worker.js'

const { made, onDisk, started, surroundings } = wordsWorkers()
const threads = () => process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length

it('a start that is refused leaves no thread behind', async () => {
  const { plugin } = made()
  const twice = createWorker({ plugins: [plugin, plugin], queue: onDisk(), ...surroundings() })
  const before = threads()
  expect((await refusal(twice.start())).code).toBe('handshake_failed')
  expect(threads()).toBe(before)
})

it('a schedule whose task would be refused stops the start, and leaves no thread behind', async () => {
  const schedules = [{ name: 'nightly', type: 'shout', payload: { wort: 'ja' }, cron: '0 3 * * *' }]
  const { worker } = made({ queue: onDisk(), schedules })
  const before = threads()
  expect(await refusal(worker.start())).toMatchObject({
    code: 'bad_configuration',
    faults: [{ path: 'schedules[0].payload.word' }, { path: 'schedules[0].payload.wort' }],
  })
  expect(threads()).toBe(before)
})

it('takes submits of its own handlers while its first health check goes on', async () => {
  const first = await started({ queue: onDisk() })
  await first.worker.submit('until_aborted', {}, { delay: 200 })
  await first.worker.stop()
  const check = new EventEmitter()
  const { worker, events } = made({
    queue: onDisk(),
    word: { health: async () => void (await once(check, 'ended')) },
  })
  const running = once(events, 'until_aborted')
  const starting = worker.start()
  await running
  const { id } = await worker.submit('shout', { word: 'meanwhile' })
  expect(worker.notReady()).toEqual(['starting'])
  check.emit('ended')
  await starting
  expect(worker.notReady()).toEqual([])
  expect(await worker.wait(id, { timeoutMs: 20_000 })).toMatchObject({ status: 'succeeded' })
})

it('a stop during the first health check lets it end, so that nothing is checked after its teardown', async () => {
  const check = new EventEmitter()
  const order: string[] = []
  const health = async () => {
    check.emit('begun')
    await once(check, 'end')
    order.push('checked')
  }
  const { worker } = made({ word: { health, teardown: () => void order.push('torn down') } })
  const begun = once(check, 'begun')
  const starting = worker.start()
  await begun
  const stopping = worker.stop({ timeoutMs: 1000 })
  // time for a stop that does not wait
  await setTimeout(100)
  check.emit('end')
  await Promise.all([starting, stopping])
  expect(order).toEqual(['checked', 'torn down'])
})

it('a schedule fires, and does not while the worker drains', async () => {
  const schedules = [{ name: 'often', type: 'shout', payload: { word: 'ja' }, every: '1s' } as const]
  const queue = memoryQueue()
  const fired = new EventEmitter()
  const submit = queue.submit.bind(queue)
  let submits = 0
  queue.submit = async (tasks) => {
    submits++
    const answers = await submit(tasks)
    fired.emit('submit', tasks[0]?.id)
    return answers
  }
  const { worker, events } = made({ queue, schedules })
  await worker.start()
  const [id] = (await once(fired, 'submit')) as [string]
  expect(await worker.wait(id, { timeoutMs: 10_000 })).toMatchObject({ status: 'succeeded' })
  const running = once(events, 'deaf')
  await worker.submit('deaf', {})
  await running
  // longer than the interval: the handler ends at no signal
  const stopping = worker.stop({ timeoutMs: 2500 })
  const until = submits
  expect(await stopping).toBe('forced')
  expect(submits).toBe(until)
})

it('a plugin whose setup fails stops the start, and the queue is free again', async () => {
  const failed = await refusal(
    made({ queue: onDisk(), word: { setup: failing('no bucket') } }).worker.start(),
  )
  expect(failed.code).toBe('handshake_failed')
  expect(failed.message).toContain('@acme/handler-words: its setup failed: no bucket')
  const { worker } = await started({ queue: onDisk() })
  expect(worker.notReady()).toEqual([])
})

it('hands back what heeds its signal, uncharged: released', async () => {
  const { worker, events } = await started({ queue: onDisk() })
  const running = once(events, 'until_aborted')
  const { id } = await worker.submit('until_aborted', {}, { maxAttempts: 1 })
  await running
  expect(await worker.stop({ timeoutMs: 500 })).toBe('released')
  const again = await started({ queue: onDisk() })
  expect(await again.worker.get(id)).toMatchObject({ attempts: 0, releases: 1 })
})

it('who waits for a result is told when the worker stops first, and a stopped worker does not start', async () => {
  const { worker, events } = await started()
  const begun = once(events, 'deaf')
  const task = await worker.submit('deaf', {})
  await begun
  const result = refusal(task.result())
  await worker.stop({ timeoutMs: 1000 })
  expect((await result).code).toBe('draining')
  const never = made().worker
  await never.stop()
  expect((await refusal(never.start())).code).toBe('draining')
})

it('leaves behind what does not: forced, and uncharged too', async () => {
  const { worker, events } = await started({ queue: onDisk() })
  const running = once(events, 'deaf')
  const { id } = await worker.submit('deaf', {}, { maxAttempts: 1 })
  await running
  const stops = [worker.stop({ timeoutMs: 500 }), worker.stop({ timeoutMs: 500 })]
  expect(await Promise.all(stops)).toEqual(['forced', 'forced'])
  const again = await started({ queue: onDisk() })
  expect(await again.worker.get(id)).toMatchObject({ attempts: 0, releases: 1 })
})

it('wrong options are all told at once', async () => {
  const wrong: object = { concurrency: 0, taskTimeout: 'soon', abortGrace: '5x' }
  const make = async () => createWorker({ plugins: [], queue: memoryQueue(), ...wrong })
  const { faults } = await refusal(make())
  expect(faults.map(({ path }) => path)).toEqual(['concurrency', 'taskTimeout', 'abortGrace'])
})
