import { watchClock } from './clock-jumps.ts'
import type { Registry } from './registry.ts'
import type { SweepOptions, Swept } from './sweep.ts'

/** Receives what the sweeper did. */
export interface SweeperLog {
  debug(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** What a request asks to remove now. */
export interface CollectRequest {
  /** Whether deleted manifests are removed, with the content that only they named. */
  tombstones: boolean
  /**
   * How long a blob must have been unused before it may be removed, in milliseconds; at least {@link MIN_UNUSED_MS}. The registry's own if
   * absent.
   */
  unused?: number
}

/** Sweeps periodically and on request. */
export interface Sweeper {
  /** Sweeps with the options of a request when the current round has finished. */
  collect(request: CollectRequest): Promise<Swept>
  /**
   * Keeps the bytes of all content that is unlinked from now on.
   *
   * @param since also keeps content that was unlinked since then, if it still exists; milliseconds since the epoch
   * @returns a function that ends that
   */
  pin(since?: number): () => void
  /** Stops sweeping, and waits for the current round to finish. */
  stop(): Promise<void>
}

/** Blobs that are younger than this are never removed: a push in progress may be about to reference them. */
export const MIN_UNUSED_MS = 3_600_000
const PAUSE_MS = 60_000
/** A command carries the time at which it was sent. It is committed at most this much later. */
const COMMIT_DELAY_MS = 60_000

/**
 * Sweeps once a minute from now on.
 *
 * @param isLow returns whether space is so low that each round must free as much as it can
 */
export function startSweeper(
  registry: Pick<Registry, 'sweep'>,
  log: SweeperLog,
  isLow: () => Promise<boolean> = async () => false,
): Sweeper {
  const ending = new AbortController()
  const jumps = watchClock(Date.now, () => performance.now())
  const pins = new Set<{ since: number }>()
  let last: Promise<unknown> = Promise.resolve()

  const pinnedSince = () => {
    const times = [...pins].map(({ since }) => since - COMMIT_DELAY_MS)
    return times.length === 0 ? undefined : Math.min(...times)
  }
  /** One round at a time, in the order in which they were requested. */
  const sweep = (options: SweepOptions): Promise<Swept> => {
    const round = last.then(() => registry.sweep(ending.signal, { ...options, jumps, pinnedSince }))
    last = round.catch(() => {})
    return round
  }
  const collect = ({ tombstones, unused }: CollectRequest) =>
    sweep({
      tombstones,
      garbage: 0,
      ...(unused !== undefined && { unusedBlobs: Math.max(unused, MIN_UNUSED_MS) }),
    })
  const sweepByItself = async () => {
    try {
      if (await isLow()) {
        const swept = await collect({ tombstones: true, unused: MIN_UNUSED_MS })
        log.warn(
          swept,
          'free space is below --low-space; deleted manifests and unused blobs were removed early',
        )
      } else {
        log.debug(await sweep({}), 'swept')
      }
    } catch (error) {
      log.error({ error }, 'sweeping failed; trying again')
    }
  }

  const timer = setInterval(sweepByItself, PAUSE_MS)
  timer.unref()
  return {
    collect,
    pin(since = Number.POSITIVE_INFINITY) {
      const pin = { since: Math.min(since, Date.now()) }
      pins.add(pin)
      return () => void pins.delete(pin)
    },
    async stop() {
      clearInterval(timer)
      ending.abort()
      await last
    },
  }
}
