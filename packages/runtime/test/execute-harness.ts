import { z } from 'zod'
import { execute } from '../src/host/execute.js'
import type { Outcome } from '../src/host/host.js'
import { prepareHandlers } from '../src/host/prepared-handler.js'
import { definePlugin, type HandlerSpec, type PayloadSpec, type RunContext } from '../src/plugin.js'
import { testSurroundings, testWork, type TestWork } from './host-fixtures.js'

export type Context = RunContext<unknown, { readonly name: string }, unknown>

type Spec = Partial<HandlerSpec<PayloadSpec, z.ZodType, { readonly name: string }, unknown>>

function handlerOf(spec: Spec) {
  const plugin = definePlugin({
    contract: 1,
    name: 'p',
    version: '1.0.0',
    module: import.meta.url,
    options: z.strictObject({}),
    setup: () => ({ name: 'deps' }),
    handlers: (handler) => [
      handler('t', { payload: z.unknown(), result: z.unknown(), run: () => null, ...spec }),
    ],
  })()
  return prepareHandlers(plugin).get('t')
}

/** One delivery to a handler of the type `t`. */
export function run(spec: Spec, told: TestWork = testWork('t', {})): Promise<Outcome> {
  const around = { deps: { name: 'deps' }, services: () => ({}), metrics: testSurroundings().metrics }
  return execute(handlerOf(spec), told.work, around, { closed: false })
}

export const runs = (body: (context: Context) => unknown, told?: TestWork) => run({ run: body }, told)
