/** How many milliseconds the clock was set forward within the given number of past milliseconds. */
export type ForwardJumps = (within: number) => number

/** A clock that is only slowed down or sped up differs by far less between two checks. */
const LEAST_JUMP_MS = 1_000
const MAX_JUMPS = 1_000

/**
 * Compares a clock that may be set with one that can't be. Each call compares the two, so it must be called from time to time.
 *
 * @param clock milliseconds since the epoch
 * @param steady milliseconds since an arbitrary moment
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
