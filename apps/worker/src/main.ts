#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { totalmem } from 'node:os'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runCommandLine } from './cli/command-line.js'
import type { Machine } from './cli/doctor/finding.js'
import type { Terminal } from './cli/terminal.js'
import { readEnvironment } from './environment.js'
import type { StopSignal } from './exit-codes.js'
import { runReloading } from './reload.js'
import type { Surroundings } from './service.js'

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string
}

const terminal: Terminal = {
  env: process.env,
  isTty: process.stdout.isTTY,
  columns: () => process.stdout.columns || 80,
  print: (text) => process.stdout.write(text),
  printError: (text) => process.stderr.write(text),
  readInput: () => readAll(process.stdin),
  onInterrupt: (listener) => process.once('SIGINT', listener),
}

const memoryLimit = process.constrainedMemory()

const machine: Machine = {
  nodeVersion: process.versions.node,
  sqliteVersion: process.versions['sqlite'] ?? null,
  memoryLimit: memoryLimit > 0 && memoryLimit < totalmem() ? memoryLimit : null,
}

function onSignal(listener: (signal: StopSignal) => void): void {
  process.on('SIGTERM', listener).on('SIGINT', listener)
}

/** Loaded here: half of what a command needs to start would go to a server that it has no use for. */
async function start(): Promise<number> {
  const { runService } = await import('./service.js')
  return runService({
    env: process.env,
    cwd: process.cwd(),
    version,
    printError: terminal.printError,
    exit: (code) => process.exit(code),
    onSignal: (listener) => {
      onSignal(listener)
      // the parent of `--reload` is gone
      process.once('disconnect', () => listener('SIGTERM'))
    },
    resourceUse,
    watch: (paths) => process.send?.({ watch: paths }),
  } satisfies Surroundings)
}

function startReloading(): Promise<number> {
  const { environment } = readEnvironment(process.env)
  const cwd = process.cwd()
  return runReloading({
    command: [process.execPath, ...process.execArgv, fileURLToPath(import.meta.url), 'start'],
    env: process.env,
    cwd,
    watched: environment.WORKER_CONFIG === null ? [] : [resolve(cwd, environment.WORKER_CONFIG)],
    dataDir: resolve(cwd, environment.DATA_DIR),
    print: terminal.printError,
    onSignal,
  })
}

function resourceUse(): Record<string, number> {
  const { rss, heapUsed, external } = process.memoryUsage()
  const { user, system } = process.cpuUsage()
  return {
    rss_bytes: rss,
    heap_used_bytes: heapUsed,
    external_bytes: external,
    cpu_seconds: (user + system) / 1e6,
  }
}

async function readAll(input: NodeJS.ReadStream): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of input) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

// a closed pipe (`mcp-worker list | head`) is no defect
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 74))

process.exit(
  await runCommandLine(process.argv, {
    terminal,
    version,
    cwd: process.cwd(),
    machine,
    start,
    startReloading,
  }),
)
