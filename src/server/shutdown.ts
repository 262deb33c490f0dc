import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { NEVER } from '../settings/time.ts'

/** The server that has to be stopped. */
export interface Stoppable {
  /** How many connections there are. */
  connectionCount(): number
  /** Makes the readiness probe fail from now on. */
  withdraw(): void
  /** Stops accepting connections. */
  refuse(): void
  /** Waits until the running requests have finished, then releases everything. */
  close(): Promise<void>
  /** Ends all connections at once. */
  cut(): void
}

/**
 * Time for requests that were cut to record their durable bytes. Kubernetes kills 30 s after its signal, which is 5 s after the default
 * drain timeout.
 */
const AFTER_CUT_MS = 3_000

/** Stops in steps and reports each of them. Ends in bounded time, even if something hangs. @returns whether everything was released */
export async function shutDown(
  server: Stoppable,
  { shutdownDelay, drainTimeout }: Pick<Config, 'shutdownDelay' | 'drainTimeout'>,
  log: Pick<Logger, 'info' | 'warn'>,
): Promise<boolean> {
  server.withdraw()
  if (shutdownDelay > 0) {
    log.info(
      { seconds: shutdownDelay / 1_000 },
      'stopping: the readiness probe now fails, requests are still served',
    )
    await sleep(shutdownDelay)
  }
  server.refuse()
  const draining = { connections: server.connectionCount(), seconds: drainTimeout / 1_000 }
  log.info(draining, 'stopping: no new connections; waiting for running requests')
  const closed = server.close().then(() => true)
  if (await within(drainTimeout, closed)) return true
  log.warn(
    { connections: server.connectionCount() },
    'stopping: the drain timeout has expired; closing connections',
  )
  server.cut()
  if (await within(AFTER_CUT_MS, closed)) return true
  log.warn({}, 'stopping: some work is still running; exiting without waiting for it')
  return false
}

/** Whether a promise was settled in time. */
async function within(ms: number, done: Promise<boolean>): Promise<boolean> {
  if (ms === NEVER) return await done
  const stopWaiting = new AbortController()
  const late = sleep(ms, false, { signal: stopWaiting.signal }).catch(() => false)
  try {
    return await Promise.race([done, late])
  } finally {
    stopWaiting.abort()
  }
}
