import { watchClock } from './clock-jumps.ts'
import type { Registry } from './registry.ts'
import type { SweepOptions, Swept } from './sweep.ts'

/** Where the sweeper tells what it did. */
export interface SweeperLog {
  debug(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** What is to go now, on request. */
export interface CollectRequest {
  /** Whether deleted manifests go, and with them what only they named. */
  tombstones: boolean
  /** How long no manifest has named a blob that may go, in milliseconds; at least {@link MIN_UNUSED_MS}. The registry's own if absent. */
  unused?: number
}

/** What sweeps by itself, and on request. */
export interface Sweeper {
  /** Sweeps when the round that is under way is over, with what a request adds. */
  collect(request: CollectRequest): Promise<Swept>
  /**
   * Keeps the bytes of all that is unlinked from now on.
   *
   * @param since keeps what was unlinked since then as well, if it is still there; milliseconds since the epoch
   * @returns what ends that
   */
  pin(since?: number): () => void
  /** Sweeps no more, and waits for the round that is under way. */
  stop(): Promise<void>
}

/** Blobs that are younger than this never go: a push that is under way may be about to name them. */
export const MIN_UNUSED_MS = 3_600_000
const PAUSE_MS = 60_000
/** A command carries the time at which it was sent; it was committed so much later at most. */
const COMMIT_DELAY_MS = 60_000

/**
 * Sweeps once a minute from now on.
 *
 * @param isLow tells whether there is so little space that each round is to free what it can
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
  /** One round at a time, each after those that were asked for before. */
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
