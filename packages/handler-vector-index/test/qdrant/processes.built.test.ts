import { openQdrantStore } from '@mcp-worker/handler-vector-index'
import { testProcesses } from '../engine-processes.js'
import { openQdrantPlace } from './place.js'

testProcesses('qdrant with faults throughout', async () => {
  const { store, server } = await openQdrantPlace({}, {}, openQdrantStore)
  server.fault({ on: /points\/batch$/, fault: { kind: 'drop', after: 3 }, every: 7 })
  server.fault({ on: /points\/batch$/, fault: { kind: 'rate_limit', retryAfter: '0.05' }, every: 5 })
  server.fault({ on: /_registry\/points$/, fault: { kind: 'drop', after: 'all' }, every: 31 })
  server.fault({
    on: /points\/query$/,
    fault: { kind: 'status', status: 503, error: 'busy' },
    every: 11,
  })
  return { store, options: { engine: 'qdrant', url: server.url } }
})
