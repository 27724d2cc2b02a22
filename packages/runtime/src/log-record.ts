/** One log line as an object, with the keys that operators rely on. Used where pino can't be: in the keeper thread, while the main thread is blocked. */
export function logRecord(
  level: 'debug' | 'info' | 'warn' | 'error',
  event: string,
  fields: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  return { timestamp: new Date().toISOString(), level, event, ...fields }
}
