import { expect, test } from 'vitest'
import { decideWrite, type WriteMode } from '../src/decide-write.js'
import type { PreparedDocument } from '../src/prepare.js'
import type { StoredDocument } from '../src/store.js'

const content = { hash: 'h', texts: ['a'], joints: '[]', vector: null }
const given: PreparedDocument = {
  id: 'a',
  place: null,
  sourceId: 's',
  version: 1,
  metadata: '{"a":1}',
  content,
}
const stored: StoredDocument = {
  revision: 7,
  sourceId: 's',
  version: 1,
  contentHash: 'h',
  metadata: '{"a":1}',
}
const none = { sourceId: null, version: null, metadata: null, content: null }

test.for([
  ['the same', {}, 'upsert', 'unchanged'],
  ['another content', { content: { ...content, hash: 'other' } }, 'upsert', 'replace'],
  ['another source', { sourceId: 't' }, 'upsert', 'touch'],
  ['no source any more', { sourceId: null }, 'upsert', 'touch'],
  ['another version', { version: 2 }, 'upsert', 'touch'],
  ['an older version', { version: 0 }, 'upsert', 'touch'],
  ['other metadata', { metadata: '{"a":2}' }, 'upsert', 'touch'],
  ['no metadata any more', { metadata: null }, 'upsert', 'touch'],
  ['the same', {}, 'update', 'unchanged'],
  ['nothing but its id', none, 'update', 'unchanged'],
  ['another source', { ...none, sourceId: 't' }, 'update', 'touch'],
  ['another version', { ...none, version: 2 }, 'update', 'touch'],
  ['other metadata', { ...none, metadata: '{}' }, 'update', 'touch'],
  ['another content', { ...none, content: { ...content, hash: 'other' } }, 'update', 'replace'],
  ['another content', { content: { ...content, hash: 'other' } }, 'insert_only', 'unchanged'],
  ['the same version', { metadata: '{}' }, 'if_newer', 'unchanged'],
  ['a newer version', { version: 2 }, 'if_newer', 'touch'],
  [
    'a newer version of another content',
    { version: 2, content: { ...content, hash: 'other' } },
    'if_newer',
    'replace',
  ],
] as const satisfies readonly (readonly [string, Partial<PreparedDocument>, WriteMode, string])[])(
  '$0, by $2: $3',
  ([, change, mode, kind]) => {
    expect(decideWrite({ ...given, ...change }, stored, mode)).toEqual({ kind })
  },
)

test('a document that is not there is inserted, but by an update; without a version if_newer cannot tell', () => {
  for (const mode of ['upsert', 'insert_only', 'if_newer'] as const) {
    expect(decideWrite(given, undefined, mode)).toEqual({ kind: 'insert' })
  }
  expect(decideWrite(given, undefined, 'update')).toEqual({ kind: 'failed', code: 'NOT_FOUND' })
  const unversioned = { ...given, version: null }
  for (const there of [stored, undefined]) {
    expect(decideWrite(unversioned, there, 'if_newer')).toEqual({ kind: 'failed', code: 'VERSION_MISSING' })
  }
  expect(decideWrite(given, { ...stored, version: null, metadata: '{}' }, 'if_newer')).toEqual({
    kind: 'touch',
  })
})
