import { z } from 'zod'
import { duration } from '../../durations.js'

/** Options of the engine `ollama`. */
export const ollamaEngineOptions = z.strictObject({
  url: z
    .url({ protocol: /^https?$/ })
    .refine((url) => {
      const { username, password, search, hash } = new URL(url)
      return username + password + search + hash === ''
    }, 'expected an address alone: no user, no password (use apiKey), no query')
    .default('http://127.0.0.1:11434')
    .describe('Where the server is.'),
  apiKey: z
    .string()
    .regex(/^[\x21-\x7e]+$/, 'expected visible ASCII characters only')
    .optional()
    .describe('Sent as a bearer token, for a proxy before the server; appears in no message.'),
  contextLength: z
    .int()
    .min(1)
    .optional()
    .describe(
      "The context that models are loaded with (num_ctx). Absent: the server's default; 4096 is assumed for the estimate.",
    ),
  requestTimeout: duration.prefault('10s').describe('For a question about models.'),
  loadTimeout: duration.prefault('10m').describe('For one load.'),
  unloadTimeout: duration
    .prefault('30s')
    .describe('How long the server may take to give the memory back after an unload or an abort.'),
  watchInterval: duration
    .refine((ms) => ms >= 10, 'expected 10 ms or more')
    .prefault('5s')
    .describe('How often the server is asked whether the loaded models are still there.'),
})

export type OllamaEngineOptions = z.output<typeof ollamaEngineOptions>
