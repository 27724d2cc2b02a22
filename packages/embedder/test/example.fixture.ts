import { fingerprintText, openEmbedder } from '@mcp-worker/embedder'

const embedder = await openEmbedder()
const [question, bread, border] = await embedder.embed([
  'How long must the dough rise?',
  'Knead it well, then leave the loaf in a warm place until it has doubled.',
  'A passport must be valid for six months beyond the return date.',
])

function cosine(a: Float32Array = new Float32Array(), b: Float32Array = new Float32Array()): number {
  return a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0)
}

console.log(cosine(question, bread) > cosine(question, border))
console.log(fingerprintText(embedder.fingerprint))
