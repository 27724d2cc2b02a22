/** As much of the protobuf encoding as a model file takes. Source: protobuf.dev/programming-guides/encoding. */
function varint(value: number): Buffer {
  const encoded: number[] = []
  let rest = BigInt(value)
  for (; rest > 127n; rest >>= 7n) encoded.push(Number(rest & 127n) | 128)
  encoded.push(Number(rest))
  return Buffer.from(encoded)
}

export function whole(field: number, value: number): Buffer {
  return Buffer.concat([varint(field * 8), varint(value)])
}

export function bytes(field: number, ...content: (Buffer | string)[]): Buffer {
  const joined = Buffer.concat(content.map((part) => Buffer.from(part)))
  return Buffer.concat([opening(field, joined.length), joined])
}

/** The start of a field whose content is written after it. */
export function opening(field: number, length: number): Buffer {
  return Buffer.concat([varint(field * 8 + 2), varint(length)])
}
