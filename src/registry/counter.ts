import { setTimeout as sleep } from 'node:timers/promises'
import type { Registry } from './registry.ts'
import type { SweeperLog } from './sweeper.ts'

const PAUSE_MS = 2_000

/** Counts changed repositories every two seconds from now on. @returns a function that stops it and waits for a round in progress */
export function repeatCounts(registry: Pick<Registry, 'count'>, log: SweeperLog): () => Promise<void> {
  const stop = new AbortController()
  const running = countUntil(registry, log, stop.signal)
  return async () => {
    stop.abort()
    await running
  }
}

async function countUntil(
  registry: Pick<Registry, 'count'>,
  log: SweeperLog,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await sleep(PAUSE_MS, undefined, { signal, ref: false }).catch(() => {})
    if (signal.aborted) return
    try {
      await registry.count(signal)
    } catch (error) {
      log.error({ error }, 'counting failed; trying again')
    }
  }
}
