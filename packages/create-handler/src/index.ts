/** `@mcp-worker/create-handler`: what `npm create @mcp-worker/handler` runs, for programs. */
export { createHandler, type Created, type CreateOptions } from './create.js'
