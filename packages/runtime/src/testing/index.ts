export { fakeClock, type FakeClock } from './fake-clock.js'
export { until, type QueueFactory, type QueueFixture, type TestOwner } from './queue-fixture.js'
export { testQueueDriver, type QueueSuiteOptions } from './test-queue-driver.js'
export { testPlugin, type PluginSuiteOptions, type Sample, type SampleContext } from './test-plugin.js'
