/** How many milliseconds the clock was set forward within the given number of past milliseconds. */
export type ForwardJumps = (within: number) => number

/** A clock that is only slowed down or sped up differs by far less between two checks. */
const LEAST_JUMP_MS = 1_000
const MAX_JUMPS = 1_000

/** The places of the memory: the difference of the clocks at the last call, and how many jumps were ever found. */
const [DIFFERENCE, FOUND, FIRST_JUMP] = [0, 1, 2]

/** Milliseconds since an arbitrary moment. Unlike the time of `performance`, it is the same on all threads. */
export function steadyTime(): number {
  return Number(process.hrtime.bigint() / 1_000_000n)
}

/** Makes memory for {@link watchClock}. Jumps from now on will be found. */
export function memoryOfJumps(clock: () => number, steady: () => number): SharedArrayBuffer {
  const places = FIRST_JUMP + 2 * MAX_JUMPS
  const memory = new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT * places)
  new Float64Array(memory)[DIFFERENCE] = clock() - steady()
  return memory
}

/**
 * Compares a clock that may be set with one that can't be. Each call compares the two, so it must be called from time to time.
 *
 * @param clock milliseconds since the epoch
 * @param steady milliseconds since an arbitrary moment, the same for all threads if they share the memory
 * @param memory of {@link memoryOfJumps}, if another thread may have to continue; it knows the jumps that this one has found
 */
export function watchClock(
  clock: () => number,
  steady: () => number,
  memory = memoryOfJumps(clock, steady),
): ForwardJumps {
  const values = new Float64Array(memory)
  const at = (place: number) => values[place] ?? 0
  const remember = (time: number, size: number) => {
    values.set([time, size], FIRST_JUMP + 2 * (at(FOUND) % MAX_JUMPS))
    values[FOUND] = at(FOUND) + 1
  }
  return (within) => {
    const now = steady()
    const found = clock() - now
    if (found - at(DIFFERENCE) > LEAST_JUMP_MS) remember(now, found - at(DIFFERENCE))
    values[DIFFERENCE] = found
    let sum = 0
    for (let jump = 0; jump < Math.min(at(FOUND), MAX_JUMPS); jump++) {
      const place = FIRST_JUMP + 2 * jump
      if (now - at(place) <= within) sum += at(place + 1)
    }
    return sum
  }
}
