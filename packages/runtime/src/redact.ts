/** Order matters: the schemes of an Authorization header go before the names of secrets, which would stop at the scheme. */
const SECRETS: readonly (readonly [RegExp, string])[] = [
  [/\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}/gi, '$1 [redacted]'],
  [/:\/\/[^\s/?#]{1,1024}@/g, '://[redacted]@'],
  [
    /(pass(?:word|wd|phrase)?|pwd|secret|token|api[-_ ]?key|access[-_ ]?key|private[-_ ]?key|authorization|credentials?)(["']?\s{0,4}[=:]\s{0,4})(?!bearer\b|basic\b)("[^"]*"?|'[^']*'?|[^\s,;&"'}\])]+)/gi,
    '$1$2[redacted]',
  ],
  [/\b(?:sk|rk|pk)[-_][A-Za-z0-9_-]{8,}/g, '[redacted]'],
  [/\b(?:gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|hf_|npm_|AKIA)[A-Za-z0-9_-]{8,}/g, '[redacted]'],
  [/\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*/g, '[redacted]'],
]

/** Takes what looks like a secret out of a text: Authorization values, `password=…`, URLs with credentials, API keys, JWTs. */
export function redact(text: string): string {
  let safe = text
  for (const [pattern, replacement] of SECRETS) safe = safe.replace(pattern, replacement)
  return safe
}

// C0, DEL, C1, line separators, and the marks that turn the direction of text around
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g // eslint-disable-line no-control-regex

/** One line without control characters: what a task contains is hostile text. */
export function stripControl(text: string): string {
  return text.replace(CONTROL, ' ')
}

/** Cut to at most `maxBytes` of UTF-8, at a character, with `…` where something is missing. */
export function cutToBytes(text: string, maxBytes: number): string {
  // UTF-8 has no lone surrogates: the way through a Buffer replaces them
  const bytes = Buffer.from(text)
  if (bytes.length <= maxBytes) return bytes.toString()
  let end = maxBytes - 3
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--
  return `${bytes.toString('utf8', 0, end)}…`
}
