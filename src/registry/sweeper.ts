import { watchClock } from './clock-jumps.ts'
import type { Registry } from './registry.ts'

/** Where the sweeper tells what it did. */
export interface SweeperLog {
  debug(fields: object, message: string): void
  error(fields: object, message: string): void
}

const PAUSE_MS = 60_000

/** Sweeps once a minute from now on. @returns what stops it, and waits for a round that is under way */
export function repeatSweeps(registry: Registry, log: SweeperLog): () => Promise<void> {
  const stop = new AbortController()
  const jumps = watchClock(Date.now, () => performance.now())
  let round: Promise<void> = Promise.resolve()
  const sweep = async () => {
    try {
      const swept = await registry.sweep(stop.signal, jumps)
      log.debug(swept, 'swept')
    } catch (error) {
      log.error({ error }, 'sweeping failed; it is tried again')
    }
  }
  const timer = setInterval(() => {
    round = round.then(sweep)
  }, PAUSE_MS)
  timer.unref()
  return async () => {
    clearInterval(timer)
    stop.abort()
    await round
  }
}
