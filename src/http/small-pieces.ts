import { GatheredPieces, MAX_GATHER_MS, MIN_PIECE } from './gathered-pieces.ts'

/**
 * Passes a body on, in order, in pieces of a minimum size, however it arrives, so that a consumer that keeps the pieces uses about as many
 * bytes of memory as the body has. If the body fails, the bytes before the failure are passed on first.
 */
export async function* gatherPieces(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const pieces = body[Symbol.asyncIterator]()
  const gathered = new GatheredPieces()
  const isGathered = ({ done, value }: IteratorResult<Uint8Array>) =>
    !done && value.length < MIN_PIECE && gathered.hasRoomFor(value)
  try {
    for (;;) {
      const next = upcoming(pieces)
      if (gathered.length > 0 && !(await soon(next, isGathered))) yield gathered.take()
      const { done, value } = await next
      if (done) return
      if (value.length >= MIN_PIECE) {
        yield value
        continue
      }
      gathered.add(value)
      if (gathered.length >= MIN_PIECE) yield gathered.take()
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
