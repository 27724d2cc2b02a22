import type { RawEnvironment } from '../environment.js'

/** The terminal, or the pipe, that a command talks to. */
export interface Terminal {
  readonly env: RawEnvironment
  /** Whether standard output is a terminal: then people read it, else programs. */
  readonly isTty: boolean
  readonly columns: () => number
  readonly print: (text: string) => void
  readonly printError: (text: string) => void
  readonly readInput: () => Promise<string>
  readonly onInterrupt: (listener: () => void) => void
}

/** Text of a task may hold escape sequences that would steer the terminal: control characters become `�`. */
export function plain(text: string): string {
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\ufffd')
}

/** JSON on one line, or indented for people; the control characters that JSON allows are escaped as well. */
export function printJson(terminal: Terminal, value: unknown): void {
  const text = JSON.stringify(value, null, terminal.isTty ? 2 : 0)
  const escaped = text.replaceAll(
    /[\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  terminal.print(`${escaped}\n`)
}

/** Columns as wide as their widest cell. */
export function printTable(
  terminal: Terminal,
  head: readonly string[],
  rows: readonly (readonly string[])[],
): void {
  const all = [head, ...rows].map((row) => row.map(plain))
  const widths = head.map((_, i) => Math.max(...all.map((row) => row[i]?.length ?? 0)))
  for (const row of all) {
    terminal.print(
      `${row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd()}\n`,
    )
  }
}
