import { expect, test } from 'vitest'
import { isConnectionLost, sqlState } from '../../src/pgvector/errors.js'

test.for(['EPIPE', 'ECONNRESET'])(
  "%s is the system's word for a broken connection, and no SQLSTATE",
  (code) => {
    const error = Object.assign(new Error('write failed'), { code })
    expect([sqlState(error), isConnectionLost(error)]).toEqual([null, true])
  },
)

test.for(['42P01', 'XX000', '23505', 'P0001'])('%s is a SQLSTATE, and no broken connection', (code) => {
  const error = Object.assign(new Error('refused'), { code })
  expect([sqlState(error), isConnectionLost(error)]).toEqual([code, false])
})
