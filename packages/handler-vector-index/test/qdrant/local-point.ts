/** Thrown by what answers a request; worded as the real server words it. */
export class Refusal extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

export function refuse(status: number, message: string): Refusal {
  return new Refusal(status, message)
}

export interface Point {
  readonly id: string
  /** Rows of a multivector, by the vector's name. */
  readonly vectors: Readonly<Record<string, readonly Float32Array[]>>
  readonly payload: Readonly<Record<string, unknown>>
}
