/** By how many milliseconds the clock was set forward within the last so many milliseconds. */
export type ForwardJumps = (within: number) => number

/** Between two looks a clock that is only slowed or hurried differs by far less. */
const LEAST_JUMP_MS = 1_000
const MAX_JUMPS = 1_000

/**
 * Watches a clock that may be set, beside one that can't be. Each look compares the two, so it must be looked at from time to time.
 *
 * @param clock milliseconds since the epoch
 * @param steady milliseconds since whenever
 */
export function watchClock(clock: () => number, steady: () => number): ForwardJumps {
  const jumps: { at: number; size: number }[] = []
  let difference = clock() - steady()
  return (within) => {
    const now = steady()
    const found = clock() - now
    if (found - difference > LEAST_JUMP_MS) jumps.push({ at: now, size: found - difference })
    if (jumps.length > MAX_JUMPS) jumps.shift()
    difference = found
    return jumps.reduce((sum, { at, size }) => (now - at <= within ? sum + size : sum), 0)
  }
}
