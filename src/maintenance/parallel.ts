/**
 * Processes items as they arrive, several at once. After a failure it starts no more items, and waits for those that were started.
 *
 * @throws the first error of the work or of the items
 */
export async function inParallel<T>(
  items: AsyncIterable<T>,
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.asyncIterator]()
  const errors: unknown[] = []
  const workThrough = async () => {
    try {
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
        await work(next.value)
        if (errors.length > 0) return
      }
    } catch (error) {
      errors.push(error)
    }
  }
  await Promise.all(Array.from({ length: limit }, workThrough))
  if (errors.length === 0) return
  await iterator.return?.()
  throw errors[0]
}
