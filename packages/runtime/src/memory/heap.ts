/** The least item first. Every step is O(log n), taking an item out from the middle too. An item is in a heap at most once. */
export interface Heap<T> {
  readonly size: number
  peek(): T | undefined
  add(item: T): void
  remove(item: T): void
  /** In no order. */
  items(): readonly T[]
}

/** `before(a, b)`: a comes out before b. What it depends on may change only while the item is out of the heap. */
export function createHeap<T>(before: (a: T, b: T) => boolean): Heap<T> {
  const items: T[] = []
  const places = new Map<T, number>()

  function put(item: T, place: number): void {
    items[place] = item
    places.set(item, place)
  }

  function rise(item: T, from: number): void {
    let place = from
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (!before(item, items[parent]!)) break
      put(items[parent]!, place)
      place = parent
    }
    put(item, place)
  }

  function sink(item: T, from: number): void {
    let place = from
    for (;;) {
      let child = 2 * place + 1
      if (child >= items.length) break
      if (child + 1 < items.length && before(items[child + 1]!, items[child]!)) child++
      if (!before(items[child]!, item)) break
      put(items[child]!, place)
      place = child
    }
    put(item, place)
  }

  return {
    get size() {
      return items.length
    },
    peek: () => items[0],
    items: () => items,
    add(item) {
      items.push(item)
      rise(item, items.length - 1)
    },
    remove(item) {
      const place = places.get(item)
      if (place === undefined) return
      places.delete(item)
      const last = items.pop()!
      if (last === item) return
      // the last item takes the empty place, and moves whichever way it must
      const parent = (place - 1) >> 1
      if (place > 0 && before(last, items[parent]!)) rise(last, place)
      else sink(last, place)
    },
  }
}
