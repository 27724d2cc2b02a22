import { z } from 'zod'
import { duration, keepAlive } from './durations.js'
import { embedderEngineOptions } from './engines/embedder/options.js'
import { fileEngineOptions } from './engines/file/options.js'
import { ollamaEngineOptions } from './engines/ollama/options.js'
import { onnxEngineOptions } from './engines/onnx/options.js'
import { EVICTION_POLICIES } from './eviction-policy.js'
import { modelId, warmupFields } from './model-fields.js'

const mebibytes = z.int().min(1).max(1_000_000_000)

const knownModel = z.strictObject({
  engine: z.string().min(1).optional().describe('The engine that has it. Default: as for other names.'),
  name: modelId.optional().describe('What the engine calls it. Default: the name itself.'),
  revision: z.string().min(1).max(256).optional().describe('The revision where the payload names none.'),
  digest: z
    .string()
    .regex(/^sha256:[0-9a-f]{64}$/)
    .optional()
    .describe('The digest where the payload names none.'),
  memoryMb: mebibytes.optional().describe("Reserved in place of the engine's estimate."),
  keepAlive: keepAlive.optional().describe('Where the payload names none.'),
  warmup: z
    .strictObject({
      runs: warmupFields.runs,
      inputs: warmupFields.inputs,
      prompt: warmupFields.prompt,
      maxMs: warmupFields.max_ms,
    })
    .optional()
    .describe('Where the payload names none.'),
})

/** What `modelCache({…})` takes. Everything has a default. camelCase, as all of the worker's configuration; payloads are snake_case. */
export const optionsSchema = z.strictObject({
  memoryLimitMb: mebibytes
    .optional()
    .describe(
      "Models in this process and its children. Default: half of the machine's or container's memory.",
    ),
  endpointMemoryLimitMb: mebibytes
    .optional()
    .describe(
      'Models on the Ollama server, those of others included. Default: no limit; the server says when it is full.',
    ),
  modelsRoot: z
    .string()
    .min(1)
    .optional()
    .describe(
      "Where `file` and `onnx` find models. Default: `models` in the plugin's folder under `DATA_DIR`.",
    ),
  defaultEngine: z
    .string()
    .min(1)
    .default('ollama')
    .describe(
      'For names that no rule gives to another engine (an embedder, `.onnx`, `.gguf`, `.safetensors`).',
    ),
  ollama: ollamaEngineOptions.prefault({}).describe('The Ollama server.'),
  onnx: onnxEngineOptions.omit({ root: true }).prefault({}).describe('The engine `onnx`.'),
  file: fileEngineOptions.omit({ root: true }).prefault({}).describe('The engine `file`.'),
  embedder: embedderEngineOptions.prefault({}).describe('The engine `embedder`.'),
  models: z
    .record(modelId, knownModel)
    .default({})
    .describe('What is known of models: their engine, their name there, size, warmup, keepAlive.'),
  warm: z
    .array(modelId)
    .max(100)
    .default([])
    .describe(
      'Loaded by every replica at its start, before it is ready, whatever keepAlive says, and again when they are lost.',
    ),
  warmTimeout: duration
    .prefault('5m')
    .describe('How long the start may take with the warm list; it fails after that.'),
  eviction: z.enum(EVICTION_POLICIES).default('plan').describe('Which idle models go when room is needed.'),
  keepAlive: keepAlive
    .prefault(-1)
    .describe('Idle time after which a model is unloaded; `-1`: never for idleness.'),
  minResidency: duration
    .prefault('30s')
    .describe('A model that was loaded less than this ago is not evicted for others.'),
  roomWait: duration.prefault('2m').describe('How long a request waits for room before it is told NO_ROOM.'),
  rateHalfLife: duration
    .prefault('20m')
    .describe(
      'A request counts half after this time; what is asked for is taken to change every ten times this.',
    ),
  warmupRuns: z
    .int()
    .min(0)
    .max(100)
    .default(1)
    .describe('Runs of each warmup that says nothing else; 0: none.'),
  warmupMax: duration.prefault('60s').describe('Time limit of each warmup that says nothing else.'),
  unloadTimeout: duration.prefault('60s').describe('How long one unload may take before it is tried again.'),
  stallAfter: duration
    .prefault('5m')
    .describe('A load, warmup or unload without a sign for this long makes the plugin unhealthy.'),
  thrashWindow: duration
    .prefault('10m')
    .describe('Loaded again within this time after an eviction counts as thrash.'),
  reconcileInterval: duration
    .prefault('30s')
    .describe(
      'How often the server is asked what it holds, and lost warm or pinned models are loaded again.',
    ),
  replica: z
    .string()
    .min(1)
    .max(128)
    .optional()
    .describe('The name of this replica in results. Default: host name and process id.'),
})

export type ModelCacheOptions = z.output<typeof optionsSchema>
