// oxlint-disable vitest/valid-title -- titles are made from the engine's name
import { describe, expect, test } from 'vitest'
import type { StoreCapabilities } from '../src/store.js'
import { testDeletes } from './store-suite/deletes.js'
import { testGenerations } from './store-suite/generations.js'
import { testMarks } from './store-suite/marks.js'
import { testFilters, testReads } from './store-suite/reads.js'
import { chunk, document, remove, search, type StoreFactory, write } from './store-suite/scene.js'
import { testUpkeep } from './store-suite/upkeep.js'
import { testWrites } from './store-suite/writes.js'

export type { StoreFactory } from './store-suite/scene.js'

/** What every engine behind the port must do. What it cannot do is said by its capabilities; those tests are skipped by name. */
export function testVectorStore(engine: string, open: StoreFactory, capabilities: StoreCapabilities): void {
  const fresh = async () => (await open()).store
  describe(`${engine}: the port`, () => {
    test('its capabilities are those that the suite was told', async () => {
      expect((await fresh()).capabilities).toEqual(capabilities)
    })
    testWrites(fresh, capabilities)
    testDeletes(fresh)
    testReads(fresh, capabilities)
    testFilters(fresh)
    testMarks(fresh, capabilities)
    testGenerations(open, capabilities)
    testUpkeep(fresh, capabilities)
    test('what one store wrote another one on the same place sees, and what one deleted none finds again', async () => {
      const { store, again } = await open()
      await write(store, [document('a', null, [chunk(0.6, 0.8, 'kept')])])
      const second = await again()
      expect(await search(second, 0.6, 0.8)).toMatchObject([
        { id: 'a', text: 'kept', score: expect.closeTo(1) },
      ])
      await remove(second, 'a')
      expect(await search(store, 0.6, 0.8)).toEqual([])
      expect(await search(await again(), 0.6, 0.8)).toEqual([])
    })
  })
}
