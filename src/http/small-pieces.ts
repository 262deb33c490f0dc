/** Smaller pieces are copied together: each takes a hundred bytes and more beside its content. */
const MIN_PIECE = 4 * 1024
const BLOCK = 64 * 1024
/** How long less than that waits for more, in milliseconds: what a slow client has sent must be known to others. */
const MAX_GATHER_MS = 100

/**
 * Passes a body on in pieces that are not small, however it comes, so that whoever keeps them holds about as many bytes of memory as the
 * body has.
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
  try {
    for (let next = upcoming(pieces); ; ) {
      const arrived = used === 0 ? await next : await inTime(next)
      if (arrived === undefined || arrived.done || used + arrived.value.length > block.length)
        if (used > 0) yield takeGathered()
      if (arrived === undefined) continue
      if (arrived.done) return
      const piece = arrived.value
      if (piece.length >= MIN_PIECE) yield piece
      else {
        if (piece.length > block.length) block = new Uint8Array(BLOCK)
        block.set(piece, used)
        used += piece.length
        if (used >= MIN_PIECE) yield takeGathered()
      }
      next = upcoming(pieces)
    }
  } finally {
    // Not awaited: it would wait for a piece that may never come.
    pieces.return?.()?.catch(() => {})
  }
}

function upcoming(pieces: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
  const next = pieces.next()
  // It is awaited later, or not at all if nobody reads on.
  next.catch(() => {})
  return next
}

/** What comes, or undefined if nothing does for a moment. */
async function inTime<T>(next: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const moment = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), MAX_GATHER_MS)
  })
  try {
    return await Promise.race([next, moment])
  } finally {
    clearTimeout(timer)
  }
}
