import { MessageChannel, receiveMessageOnPort, Worker, type MessagePort } from 'node:worker_threads'
import type { Plugin } from '../plugin.js'
import { toTaskError } from '../task-error.js'
import { deferred } from './deferred.js'
import { AbortedWork, type HostSurroundings } from './host.js'
import type { AskOfPlugin, FromThread, ThreadData, ToThread } from './port.js'
import { createQuestions } from './questions.js'
import { settledWithin } from './race-abort.js'
import { createReceiver, type TaskListener, type ThreadState } from './thread-receive.js'

/** Of a thread's heap. Node's own bound lets short-lived objects fill 50 MiB and more before they are collected. */
const YOUNG_GENERATION_MB = 16

/** How a thread ended. */
export interface Death {
  /** Because it was told to. */
  readonly expected: boolean
  readonly why: string
}

/** The worker's side of one thread of a plugin. */
export interface ThreadLink {
  /** Resolves when the plugin is set up; rejects with what went wrong, or why the thread ended. */
  readonly ready: Promise<void>
  /** Resolves when the thread has ended, after all that it still said was heard. */
  readonly died: Promise<Death>
  /** False from the moment that it was told to end: it must not be given work then. */
  alive(): boolean
  /** Throws a `DataCloneError` where the message cannot be cloned. */
  send(message: ToThread): void
  ask(question: AskOfPlugin): { readonly ref: number; readonly answered: Promise<unknown> }
  /** From here on messages with this listener's fence are heard, those of any other are not; null: none are. */
  listen(listener: TaskListener | null): void
  /** Called with the reference of a question that was given up, when the thread has seen it. */
  onGiveUpSeen(heard: (ref: number) => void): void
  /** Teardown, then the end; killed at the deadline. Rejects with what teardown threw. */
  end(deadlineMs: number): Promise<void>
  kill(): Promise<void>
}

export function startThread(plugin: Plugin, around: HostSurroundings, role: 'front' | 'task'): ThreadLink {
  const { port1: port, port2: theirs } = new MessageChannel()
  const worker = createThread(plugin, around, role, theirs)
  const thread: ThreadState = {
    alive: true,
    expected: false,
    listener: null,
    giveUpSeen: () => {},
    ready: deferred(),
    stopped: deferred(),
    questions: createQuestions(),
    asked: new Map(),
    // a closed port takes messages and does nothing
    send: (message) => port.postMessage(message),
  }
  const receive = createReceiver(thread, around)
  port.on('message', receive)
  const died = lifeOf(worker, plugin).then((why): Death => {
    drain(port, receive)
    port.close()
    bury(thread, new Error(`the thread of ${plugin.name} ended: ${why}`))
    return { expected: thread.expected, why }
  })
  const kill = async () => {
    thread.expected = true
    await worker.terminate()
    await died
  }
  return {
    ready: thread.ready.promise,
    died,
    alive: () => thread.alive && !thread.expected,
    send: thread.send,
    ask: (question) => ask(thread, question, plugin),
    listen: (listener) => void (thread.listener = listener),
    onGiveUpSeen: (heard) => void (thread.giveUpSeen = heard),
    kill,
    async end(deadlineMs) {
      thread.expected = true
      thread.send({ kind: 'stop' })
      const inTime = await settledWithin(thread.stopped.promise, deadlineMs)
      await kill()
      if (inTime) await thread.stopped.promise
    },
  }
}

function ask(thread: ThreadState, question: AskOfPlugin, plugin: Plugin): ReturnType<ThreadLink['ask']> {
  return thread.questions.put((ref) => {
    if (!thread.alive) throw new Error(`the thread of ${plugin.name} has ended`)
    thread.send({ kind: 'ask', ref, ask: question })
  })
}

/** Nobody waits any longer for what a dead thread would have said. */
function bury(thread: ThreadState, error: Error): void {
  thread.alive = false
  thread.questions.fail(error)
  for (const controller of thread.asked.values()) controller.abort(new AbortedWork('cancel'))
  thread.ready.reject(error)
  thread.stopped.resolve()
}

function createThread(plugin: Plugin, around: HostSurroundings, role: string, port: MessagePort): Worker {
  const workerData: ThreadData = {
    port,
    plugin: plugin.name,
    module: plugin.module,
    givenOptions: plugin.givenOptions,
    options: around.options,
    dataDir: around.dataDir,
    provided: around.provided,
  }
  const worker = new Worker(new URL('./thread-main.js', import.meta.url), {
    workerData,
    transferList: [port],
    name: `${plugin.name} ${role}`,
    resourceLimits: {
      maxOldGenerationSizeMb: plugin.threadMemoryMb,
      maxYoungGenerationSizeMb: YOUNG_GENERATION_MB,
    },
    // the thread sends what is printed to the log; what still gets here must not pile up
    stdout: true,
    stderr: true,
  })
  worker.stdout.resume()
  worker.stderr.resume()
  return worker
}

/** Resolves with why the thread ended, when it has. */
function lifeOf(worker: Worker, plugin: Plugin): Promise<string> {
  return new Promise((resolve) => {
    let uncaught: string | null = null
    worker.on('error', (error: unknown) => {
      uncaught = isOutOfMemory(error)
        ? `out of memory (heap limit ${plugin.threadMemoryMb} MiB)`
        : `an uncaught error: ${toTaskError(error, 'host_crashed').message}`
    })
    worker.on('exit', (code) => resolve(uncaught ?? `exit with code ${code}`))
  })
}

function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY'
}

/** What the thread said before its end may still wait in the port. */
function drain(port: MessagePort, receive: (message: FromThread) => void): void {
  for (;;) {
    const received = receiveMessageOnPort(port)
    if (received === undefined) return
    receive(received.message as FromThread)
  }
}
