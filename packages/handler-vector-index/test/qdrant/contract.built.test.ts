import { openQdrantStore } from '@mcp-worker/handler-vector-index'
import { afterAll } from 'vitest'
import { testContract } from '../engine-contract.js'
import { startLocalQdrant } from './local-server.js'

const server = await startLocalQdrant()
const store = await openQdrantStore({ url: server.url })
afterAll(async () => {
  await store.close()
  await server.close()
})
server.fault({ on: /points\/batch$/, fault: { kind: 'drop', after: 2 }, every: 7 })
server.fault({ on: /points\/batch$/, fault: { kind: 'rate_limit', retryAfter: '0.05' }, every: 5 })
server.fault({ on: /_registry\/points$/, fault: { kind: 'drop', after: 'all' }, every: 31 })

// with these faults throughout
testContract({
  options: { engine: 'qdrant', url: server.url },
  store,
  empty: async () => server.qdrant.clear(),
})
