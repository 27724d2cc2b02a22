import type { EngineFault } from '../host/engine-fault.js'

/** ONNX Runtime gives no codes to Node, only these words (tried with 1.30). */
const memory = /bad_?alloc|bad allocation|failed to allocate|out of memory|std::length_error/i
const corrupt =
  /protobuf parsing failed|invalid model|does not have a graph|invalid_graph|not a valid|INVALID_PROTOBUF/i
const unsupported =
  /not a registered|unsupported model IR|opset \d+ is|Could not find an implementation|No Op registered/i

const unfit = /invalid (rank|dimensions) for input|unexpected input data type/i

export function loadFault(error: unknown): EngineFault {
  const said = error instanceof Error ? error.message.trim() : String(error)
  const problem = `expected ONNX Runtime to open the model, got ${said}`
  if (memory.test(said)) return { code: 'OUT_OF_MEMORY', problem }
  if (unsupported.test(said)) return { code: 'MODEL_UNSUPPORTED', problem }
  if (corrupt.test(said)) return { code: 'MODEL_CORRUPT', problem }
  return { code: 'LOAD_FAILED', problem }
}

export function runFault(error: unknown): EngineFault {
  const said = error instanceof Error ? error.message.trim() : String(error)
  const code = unfit.test(said) ? 'WARMUP_UNFIT' : 'WARMUP_FAILED'
  return {
    code: memory.test(said) ? 'OUT_OF_MEMORY' : code,
    problem: `expected the model to run, got ${said}`,
  }
}
