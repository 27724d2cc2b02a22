import { createChecks } from './container/checks.ts'
import { checkOneContainer } from './container/one-container.ts'
import { checkOperators } from './container/operators.ts'
import { createEngine } from './container/podman.ts'
import { checkThreeContainers } from './container/three-containers.ts'
import { checkWatchdog } from './container/watchdog.ts'

const [image] = process.argv.slice(2)
if (image === undefined) throw new Error('expected the name of an image')

const engine = createEngine(image)
const checks = createChecks()
try {
  await checkOneContainer(engine, checks)
  await checkThreeContainers(engine, checks)
  await checkWatchdog(engine, checks)
  await checkOperators(engine, checks)
} finally {
  await engine.end()
}
process.exitCode = checks.close() ? 0 : 1
