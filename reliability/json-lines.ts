import { readFileSync } from 'node:fs'

/** Complete lines of a file; a killed process may leave half of one. */
export function linesOf<T>(file: string): T[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    return []
  }
  return parseLines(text).lines as T[]
}

/** `used`: how much of the text was complete lines. */
export function parseLines(text: string): { lines: unknown[]; used: number } {
  const used = text.lastIndexOf('\n') + 1
  const lines = text
    .slice(0, used)
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line): unknown => JSON.parse(line))
  return { lines, used }
}
