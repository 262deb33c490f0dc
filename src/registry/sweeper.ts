import type { Job } from '../jobs/job.ts'
import type { ForwardJumps } from './clock-jumps.ts'
import type { Pins } from './pins.ts'
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
/** A command gets its time when the store begins its transaction, which is committed at most this much later. */
const COMMIT_DELAY_MS = 60_000

/** What a sweeper needs. */
export interface SweeperOptions {
  log: SweeperLog
  pins: Pins
  jumps: ForwardJumps
  /** Returns whether space is so low that each sweep must free as much as it can. */
  isLow(): Promise<boolean>
}

/** The job that removes deleted and abandoned data once a minute, and when it is asked to. */
export class Sweeper {
  readonly #maintenance: Pick<Maintenance, 'sweep'>
  readonly #jumps: ForwardJumps
  readonly #pins: Pins
  /** A sweep with the usual options. */
  readonly job: Job<Swept>

  constructor(maintenance: Pick<Maintenance, 'sweep'>, { log, pins, jumps, isLow }: SweeperOptions) {
    this.#maintenance = maintenance
    this.#pins = pins
    this.#jumps = jumps
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

  async #sweep(signal: AbortSignal, options: SweepOptions): Promise<Swept> {
    const pinnedSince = () => {
      const since = this.#pins.earliest()
      return since && since - COMMIT_DELAY_MS
    }
    return await this.#maintenance.sweep(signal, { ...options, jumps: this.#jumps, pinnedSince })
  }
}
