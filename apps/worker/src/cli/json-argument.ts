import { readFile } from 'node:fs/promises'
import { firstLine } from '../config-file.js'
import type { Terminal } from './terminal.js'

/** A command was called wrongly; exit code 64 (EX_USAGE). */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** The JSON text of an argument: itself, `@file`, or `-` for standard input. Sent as it is, so that no number is rounded. */
export async function jsonArgument(given: string, terminal: Terminal): Promise<string> {
  const text =
    given === '-'
      ? await terminal.readInput()
      : given.startsWith('@')
        ? await readText(given.slice(1))
        : given
  try {
    JSON.parse(text)
  } catch (error) {
    const where = given === '-' ? 'standard input' : given.startsWith('@') ? given.slice(1) : 'the argument'
    throw new UsageError(
      `expected JSON, @file or - (standard input); ${where} is not JSON: ${firstLine(error)}`,
    )
  }
  return text
}

/** What is no number goes as it is: the service says what it expected. */
export function numberOf(text: string | undefined): number | string | undefined {
  return text === undefined || text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text)
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new UsageError(`${path} cannot be read: ${firstLine(error)}`)
  }
}
