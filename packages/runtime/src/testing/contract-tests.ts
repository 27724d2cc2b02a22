import { CLAIM_TESTS } from './contract/claim.js'
import { END_TESTS } from './contract/end.js'
import { LEASE_TESTS } from './contract/leases.js'
import { READ_TESTS } from './contract/read.js'
import { SETTLE_TESTS } from './contract/settle.js'
import { STEER_TESTS } from './contract/steer.js'
import { SUBMIT_TESTS } from './contract/submit.js'
import { SUSPECT_TESTS } from './contract/suspects.js'
import { WAITING_CLAIM_TESTS } from './contract/waiting-claims.js'
import type { ContractTest } from './scene.js'

/** The suite by chapter: each sentence of the queue contract that has a mark is tried by at least one test. */
export const CONTRACT_TESTS: Readonly<Record<string, readonly ContractTest[]>> = {
  submit: SUBMIT_TESTS,
  claim: CLAIM_TESTS,
  'claims that wait': WAITING_CLAIM_TESTS,
  suspects: SUSPECT_TESTS,
  'leases and fences': LEASE_TESTS,
  settle: SETTLE_TESTS,
  'cancel, replay, pause': STEER_TESTS,
  read: READ_TESTS,
  'prune and close': END_TESTS,
}
