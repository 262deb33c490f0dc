import { StoreClock } from '../src/metadata/sqlite/store-clock.ts'

/** A clock of a store that only the test moves. */
export function stoppedClock(): StoreClock {
  const clock = new StoreClock()
  clock.set(1_700_000_000_000)
  return clock
}
