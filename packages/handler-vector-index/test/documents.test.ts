import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openDocuments } from '../src/documents.js'
import { openDocumentsRoot } from '../src/documents-root.js'
import { payloadSchema, type WritePayload } from '../src/payload.js'
import { tempFolder } from './temp-folder.js'

test.for(['documents', 'documents_ref'] as const)(
  'entries of %s that are read from the middle on keep their places',
  async (kind) => {
    const folder = await tempFolder()
    const documents = Array.from({ length: 20 }, (_, i) => `text ${i}`)
    await writeFile(join(folder, 'docs.jsonl'), documents.map((one) => `${JSON.stringify(one)}\n\n`).join(''))
    const given = kind === 'documents' ? { documents } : { documents_ref: 'docs.jsonl' }
    const payload = payloadSchema.parse(given) as WritePayload
    const source = await openDocuments(payload, await openDocumentsRoot(folder))
    onTestFinished(() => source.close())
    for (const from of [0, 7, 19, 20]) {
      const places: unknown[] = []
      for await (const entries of source.entries(from)) {
        for (const entry of entries) {
          const line = 2 * entry.position + 1
          expect(entry).toEqual({
            position: entry.position,
            ...(kind === 'documents_ref' && { line }),
            document: { text: `text ${entry.position}` },
          })
          places.push(entry.position)
        }
      }
      expect(places).toEqual(Array.from({ length: 20 - from }, (_, i) => from + i))
    }
  },
)
