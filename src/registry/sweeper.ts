import type { Job } from '../jobs/job.ts'
import { watchClock } from './clock-jumps.ts'
import type { Maintenance } from './registry.ts'
import type { SweepOptions, Swept } from './sweep.ts'

/** Receives what the sweeper did. */
export interface SweeperLog {
  debug(fields: object, message: string): void
  warn(fields: object, message: string): void
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

/** Blobs that are younger than this are never removed: a push in progress may be about to reference them. */
export const MIN_UNUSED_MS = 3_600_000
const PAUSE_MS = 60_000
/** A command carries the time at which it was sent. It is committed at most this much later. */
const COMMIT_DELAY_MS = 60_000

/** The job that removes deleted and abandoned data once a minute, and when it is asked to. */
export class Sweeper {
  readonly #maintenance: Pick<Maintenance, 'sweep'>
  readonly #jumps = watchClock(Date.now, () => performance.now())
  readonly #pins = new Set<{ since: number }>()
  /** A sweep with the usual options. */
  readonly job: Job<Swept>

  /** @param isLow returns whether space is so low that each sweep must free as much as it can */
  constructor(
    maintenance: Pick<Maintenance, 'sweep'>,
    log: SweeperLog,
    isLow: () => Promise<boolean> = async () => false,
  ) {
    this.#maintenance = maintenance
    this.job = {
      name: 'sweep',
      every: PAUSE_MS,
      scope: 'store',
      run: async (signal) => {
        if (await isLow()) {
          const swept = await this.collection({ tombstones: true, unused: MIN_UNUSED_MS }).run(signal)
          log.warn(
            swept,
            'free space is below --low-space; deleted manifests and unused blobs were removed early',
          )
          return swept
        }
        const swept = await this.#sweep(signal, {})
        log.debug(swept, 'swept')
        return swept
      },
    }
  }

  /** The same job with the options of a request. */
  collection({ tombstones, unused }: CollectRequest): Job<Swept> {
    const options = {
      tombstones,
      garbage: 0,
      ...(unused !== undefined && { unusedBlobs: Math.max(unused, MIN_UNUSED_MS) }),
    }
    return { ...this.job, run: (signal) => this.#sweep(signal, options) }
  }

  /**
   * Keeps the bytes of all content that is unlinked from now on.
   *
   * @param since also keeps content that was unlinked since then, if it still exists; milliseconds since the epoch
   * @returns a function that ends that
   */
  pin(since = Number.POSITIVE_INFINITY): () => void {
    const pin = { since: Math.min(since, Date.now()) }
    this.#pins.add(pin)
    return () => void this.#pins.delete(pin)
  }

  async #sweep(signal: AbortSignal, options: SweepOptions): Promise<Swept> {
    const pinnedSince = () => {
      const times = [...this.#pins].map(({ since }) => since - COMMIT_DELAY_MS)
      return times.length === 0 ? undefined : Math.min(...times)
    }
    return await this.#maintenance.sweep(signal, { ...options, jumps: this.#jumps, pinnedSince })
  }
}
