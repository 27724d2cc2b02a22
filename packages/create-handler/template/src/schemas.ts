import { z } from 'zod'

/** What a task carries. Say what each field means: it is shown by `GET /types`. */
export const payloadSchema = z.strictObject({
  texts: z.array(z.string().min(1)).min(1).max(1_000).describe('Texts to keep'),
})

export const resultSchema = z.strictObject({
  kept: z.int().describe('Texts that are kept now'),
})

/** What the operator configures. Give everything a default where one makes sense. */
export const optionsSchema = z.strictObject({
  upperCase: z.boolean().default(false).describe('Keep the texts in upper case'),
})

export type Payload = z.output<typeof payloadSchema>
export type Result = z.input<typeof resultSchema>
export type Options = z.output<typeof optionsSchema>
