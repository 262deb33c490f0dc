/** Smaller pieces are copied together: each takes at least a hundred bytes in addition to its content. */
const MIN_PIECE = 4 * 1024
const BLOCK = 64 * 1024
/** How long a smaller amount waits for more, in milliseconds. The bytes of a slow client must become visible to others. */
const MAX_GATHER_MS = 100

/**
 * Passes a body on, in order, in pieces of a minimum size, however it arrives, so that a consumer that keeps the pieces uses about as many
 * bytes of memory as the body has. If the body fails, the bytes before the failure are passed on first.
 */
export async function* gatherPieces(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const pieces = body[Symbol.asyncIterator]()
  let block = new Uint8Array(0)
  let used = 0
  const takeGathered = () => {
    const gathered = block.subarray(0, used)
    block = block.subarray(used)
    used = 0
    return gathered
  }
  const isGathered = ({ done, value }: IteratorResult<Uint8Array>) =>
    !done && value.length < MIN_PIECE && value.length <= block.length - used
  try {
    for (;;) {
      const next = upcoming(pieces)
      if (used > 0 && !(await soon(next, isGathered))) yield takeGathered()
      const { done, value } = await next
      if (done) return
      if (value.length >= MIN_PIECE) {
        yield value
        continue
      }
      if (value.length > block.length - used) block = new Uint8Array(BLOCK)
      block.set(value, used)
      used += value.length
      if (used >= MIN_PIECE) yield takeGathered()
    }
  } finally {
    // Not awaited: it would wait for a piece that may never arrive.
    pieces.return?.()?.catch(() => {})
  }
}

function upcoming(pieces: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
  const next = pieces.next()
  // It is awaited later, or never if the consumer stops reading.
  next.catch(() => {})
  return next
}

/** Whether a promise resolves within a moment, to a value that passes a test. */
async function soon<T>(promise: Promise<T>, test: (value: T) => boolean): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const moment = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), MAX_GATHER_MS)
  })
  try {
    return await Promise.race([promise.then(test, () => false), moment])
  } finally {
    clearTimeout(timer)
  }
}
