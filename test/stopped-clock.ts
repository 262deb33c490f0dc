import { StoreClock } from '../src/metadata/sqlite/store-clock.ts'

/** A clock of a store that only the test moves. @param time at which it stands, in milliseconds since the epoch */
export function stoppedClock(time = 1_700_000_000_000): StoreClock {
  const clock = new StoreClock()
  clock.set(time)
  return clock
}
