/** Asks a collection: `node examples/search.ts COLLECTION QUESTION`. Prints the best three documents, each by its best passage. */
import { callApi } from './call-api.ts'

const [, , collection, text] = process.argv
if (collection === undefined || text === undefined) throw new Error('expected COLLECTION QUESTION')

interface Answer {
  readonly hits: readonly { readonly id: string; readonly score: number; readonly text: string | null }[]
}

const { hits } = await callApi<Answer>('/queries/vector_search', { collection, text, k: 3 })
for (const { id, score, text: passage } of hits) {
  console.log(`${score.toFixed(2)}  ${id}`)
  console.log(`      ${passage?.replaceAll(/\s+/g, ' ').slice(0, 90)} …`)
}
