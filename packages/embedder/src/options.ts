import { z } from 'zod'

/** The longest that a timer of Node takes; it would fire at once on more. */
const maxTimerMs = 2_147_483_647

/** Node's fetch gives up by itself after 300 s without the start of an answer. */
const maxRequestMs = 300_000

const builtinOptions = z.strictObject({
  engine: z
    .literal('builtin')
    .default('builtin')
    .describe('The built-in engine: no network, no key, no download; English first.'),
})

const openAiOptions = z.strictObject({
  engine: z.literal('openai').describe('Any server with an OpenAI-compatible `/v1/embeddings`.'),
  baseUrl: z
    .url({ protocol: /^https?$/ })
    .refine(hasNoCredentials, 'expected no user or password in the address: use `apiKey`')
    .describe('Where the API is, up to and including its version: `http://127.0.0.1:11434/v1`.'),
  model: z.string().min(1).describe("The model's name on that server."),
  modelVersion: z
    .string()
    .min(1)
    .default('1')
    .describe('Part of the fingerprint; change it when the server gets other weights under the same name.'),
  apiKey: z
    .string()
    // anything else is no header value, and fetch would quote it in its error
    .regex(/^[\x21-\x7e]+$/, 'expected visible ASCII characters only')
    .optional()
    .describe('Sent as a bearer token; appears in no message.'),
  dimension: z
    .int()
    .min(1)
    .max(65_536)
    .optional()
    .describe('Components per vector. If absent, one short text is embedded on opening to find out.'),
  sendDimension: z
    .boolean()
    .default(false)
    .describe('Ask the server to shorten its vectors to `dimension`; not every server and model can.'),
  batchTexts: z.int().min(1).max(2048).default(32).describe('The most texts in one request.'),
  batchCharacters: z
    .int()
    .min(1)
    .default(65_536)
    .describe('The most characters in one request; a longer text goes alone.'),
  concurrency: z.int().min(1).max(64).default(4).describe('Requests under way at one time.'),
  requestsPerMinute: z
    .number()
    .min(0.1)
    .optional()
    .describe('Requests started per minute; absent: no limit.'),
  maxAttempts: z.int().min(1).max(20).default(5).describe('Tries per request, the first included.'),
  maxRetryWaitMs: z
    .int()
    .min(0)
    .max(maxTimerMs)
    .default(30_000)
    .describe('The longest wait between two tries; a server that asks for more ends the call.'),
  requestTimeoutMs: z
    .int()
    .min(1)
    .max(maxRequestMs)
    .default(60_000)
    .describe('For one try, from its start to the end of the answer; at most 300000.'),
})

/** The options of `openEmbedder`: the type, the default and the meaning of each. */
export const embedderOptions = z
  .discriminatedUnion('engine', [builtinOptions, openAiOptions])
  .superRefine((options, context) => {
    if (options.engine !== 'openai' || !options.sendDimension || options.dimension !== undefined) return
    context.addIssue({
      code: 'custom',
      path: ['dimension'],
      message: 'expected with `sendDimension`, got none',
    })
  })
  .prefault({})

function hasNoCredentials(url: string): boolean {
  const { username, password } = new URL(url)
  return username === '' && password === ''
}

/** What may be given; absent options have defaults. */
export type EmbedderOptions = z.input<typeof embedderOptions>
export type OpenAiOptions = z.output<typeof openAiOptions>
