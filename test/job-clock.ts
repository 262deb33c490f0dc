import { setImmediate as turn } from 'node:timers/promises'
import type { JobClock } from '../src/jobs/clock.ts'
import { StoreClock } from '../src/metadata/sqlite/store-clock.ts'

/** A clock that only a test moves. */
export class TestClock implements JobClock {
  readonly #timers = new Set<{ at: number; act: () => void }>()
  #time = 0
  /** By how much the time of day was set forward. */
  jumped = 1_700_000_000_000
  /** The clock of the store of the test, which shows the same time. */
  readonly ofStore = new StoreClock()

  constructor() {
    this.ofStore.set(this.now())
  }

  now(): number {
    return this.#time + this.jumped
  }

  steady(): number {
    return this.#time
  }

  after(milliseconds: number, act: () => void): () => void {
    const timer = { at: this.#time + milliseconds, act }
    this.#timers.add(timer)
    return () => void this.#timers.delete(timer)
  }

  /** The middle: no jitter. */
  random(): number {
    return 0.5
  }

  #setTime(time: number): void {
    this.#time = time
    this.ofStore.set(this.now())
  }

  /** Lets time pass, with all that happens in it. */
  async pass(milliseconds: number): Promise<void> {
    const end = this.#time + milliseconds
    for (;;) {
      await settle()
      const [next] = [...this.#timers].filter(({ at }) => at <= end).sort((one, two) => one.at - two.at)
      if (next === undefined) break
      this.#timers.delete(next)
      this.#setTime(next.at)
      next.act()
    }
    this.#setTime(end)
    await settle()
  }
}

/** Lets everything run that waits for nothing but its turn. */
export async function settle(): Promise<void> {
  for (let turns = 0; turns < 20; turns++) await turn()
}
