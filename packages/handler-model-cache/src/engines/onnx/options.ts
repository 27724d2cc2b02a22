import { z } from 'zod'

/** Options of the engine `onnx`. */
export const onnxEngineOptions = z.strictObject({
  root: z
    .string()
    .min(1)
    .describe('The folder that models are looked for in; a model_id is a path below it.'),
  threads: z
    .int()
    .min(1)
    .max(256)
    .default(1)
    .describe(
      'Threads that one model computes with (intraOpNumThreads); more of them compete with the worker.',
    ),
  providers: z
    .array(z.string().min(1))
    .min(1)
    .default(['cpu'])
    .describe('Execution providers of ONNX Runtime, the preferred one first.'),
})

export type OnnxEngineOptions = z.output<typeof onnxEngineOptions>
