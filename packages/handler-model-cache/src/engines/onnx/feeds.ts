import { throwFault } from '../host/engine-fault.js'

/** One input of a model, as the session describes it. A dimension is a number, or a name that any number may stand for. */
export interface InputShape {
  readonly name: string
  readonly type: string
  readonly shape: readonly (number | string)[]
}

/** What a tensor is made of. `data` as ONNX Runtime takes it for the type. */
export interface Feed {
  readonly name: string
  readonly type: string
  readonly dims: readonly number[]
  readonly data: FeedData
}

type FeedData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | string[]

const arrays = {
  float32: (size: number) => new Float32Array(size),
  float64: (size: number) => new Float64Array(size),
  float16: (size: number) => new Uint16Array(size),
  int8: (size: number) => new Int8Array(size),
  uint8: (size: number) => new Uint8Array(size),
  bool: (size: number) => new Uint8Array(size),
  int16: (size: number) => new Int16Array(size),
  uint16: (size: number) => new Uint16Array(size),
  int32: (size: number) => new Int32Array(size),
  uint32: (size: number) => new Uint32Array(size),
  int64: (size: number) => new BigInt64Array(size),
  uint64: (size: number) => new BigUint64Array(size),
  string: (size: number) => Array.from({ length: size }, () => ''),
} satisfies Record<string, (size: number) => FeedData>

const maxElements = 1 << 28

/**
 * What open dimensions are tried with, one after the other, where the caller gives no shape: the first open one of an input is taken for the batch and is 1,
 * the others are this. Texts run with 1; what has windows (audio) needs more.
 */
export const openDimensions = [1, 16, 256] as const

/** Zeros for every input. */
export function zeroFeeds(inputs: readonly InputShape[], openDimension: number): readonly Feed[] {
  return inputs.map((input) => feedOf(input, shapeWith(input.shape, openDimension), null))
}

/** True where the caller's shapes are needed to know all of them. */
export function hasOpenDimensions(inputs: readonly InputShape[]): boolean {
  return inputs.some(({ shape }) => shape.filter((dimension) => typeof dimension === 'string').length > 1)
}

/**
 * What the payload gives: by input name `{ shape?, data? }` or the data alone, a list of numbers (of numbers as text for 64 bits beyond 2^53) or texts; a
 * shape alone is filled with zeros. Inputs that are not named get zeros. WARMUP_UNFIT says what does not fit the model.
 */
export function givenFeeds(inputs: readonly InputShape[], given: unknown): readonly Feed[] {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    return refuse(
      `expected an object of inputs by name, got ${Array.isArray(given) ? 'a list' : typeof given}`,
    )
  }
  const names = inputs.map(({ name }) => name)
  const unknown = Object.keys(given).find((name) => !names.includes(name))
  if (unknown !== undefined)
    return refuse(`expected inputs of ${names.join(', ')}, got ${JSON.stringify(unknown)}`)
  const values = new Map<string, unknown>(Object.entries(given))
  return inputs.map((input) => {
    const { shape, data } = readGiven(input.name, values.get(input.name))
    const dims = shape ?? shapeFor(input, data?.length ?? null)
    return feedOf(input, dims, data)
  })
}

function readGiven(
  name: string,
  value: unknown,
): { shape: number[] | null; data: readonly unknown[] | null } {
  if (value === undefined) return { shape: null, data: null }
  if (Array.isArray(value)) return { shape: null, data: value }
  if (typeof value !== 'object' || value === null) {
    return refuse(`expected a list or { shape, data } for ${name}, got ${typeof value}`)
  }
  const { shape = null, data = null } = value as { shape?: unknown; data?: unknown }
  if (
    shape !== null &&
    !(Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && size >= 0))
  ) {
    return refuse(`expected whole numbers as the shape of ${name}, got others`)
  }
  if (data !== null && !Array.isArray(data))
    return refuse(`expected a list as the data of ${name}, got ${typeof data}`)
  return { shape: shape as number[] | null, data }
}

function shapeWith(shape: InputShape['shape'], openDimension: number): readonly number[] {
  const batch = shape.findIndex((dimension) => typeof dimension === 'string')
  return shape.map((dimension, index) => {
    if (typeof dimension === 'number') return dimension
    return index === batch ? 1 : openDimension
  })
}

/** The last open dimension takes what the data leave for it. */
function shapeFor({ shape }: InputShape, count: number | null): readonly number[] {
  const dims = [...shapeWith(shape, 1)]
  const last = shape.findLastIndex((dimension) => typeof dimension === 'string')
  const others = dims.reduce((product, size, index) => (index === last ? product : product * size), 1)
  if (count !== null && last !== -1 && others > 0 && count % others === 0) dims[last] = count / others
  return dims
}

function feedOf({ name, type }: InputShape, dims: readonly number[], data: readonly unknown[] | null): Feed {
  const size = dims.reduce((product, dimension) => product * dimension, 1)
  const create = Object.entries(arrays).find(([known]) => known === type)?.[1]
  if (!create) return refuse(`expected an input of a type that can be filled, got ${type} for ${name}`)
  if (size > maxElements) return refuse(`expected at most ${maxElements} values for ${name}, got ${size}`)
  const values = create(size)
  if (data === null) return { name, type, dims, data: values }
  if (data.length !== size)
    return refuse(`expected ${size} values for ${name} [${dims.join(', ')}], got ${data.length}`)
  for (const [index, value] of data.entries()) setValue(values, index, value, name)
  return { name, type, dims, data: values }
}

function setValue(values: FeedData, index: number, value: unknown, name: string): void {
  if (Array.isArray(values)) {
    values[index] =
      typeof value === 'string' ? value : refuse(`expected texts for ${name}, got ${typeof value}`)
  } else if (values instanceof BigInt64Array || values instanceof BigUint64Array) {
    if (!/^-?\d+$/.test(String(value))) refuse(`expected whole numbers for ${name}, got ${typeof value}`)
    values[index] = BigInt(String(value))
  } else {
    if (typeof value !== 'number' && typeof value !== 'boolean') {
      refuse(`expected numbers for ${name}, got ${typeof value}`)
    }
    values[index] = Number(value)
  }
}

function refuse(problem: string): never {
  return throwFault('WARMUP_UNFIT', problem)
}
