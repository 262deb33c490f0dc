import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Probes } from '../registry/probes.ts'
import { failureOf, type StoreFailure } from '../registry/store-error.ts'
import { STALL_MS } from '../stores/stores.ts'

/** Why something is not possible. */
export interface Problem {
  kind: StoreFailure | 'stalled'
  cause: string
}

/** Why reads or writes are not possible at the moment; undefined if they are. */
export interface Health {
  reads: Problem | undefined
  writes: Problem | undefined
}

/** How long the result of a probe is valid. */
const MAX_AGE_MS = 1_000
/** The longest time that a caller waits for a probe. Until the probe has finished, the result before it is used. */
const PATIENCE_MS = 500
const STALLED: Problem = {
  kind: 'stalled',
  cause: `the storage has not responded for ${STALL_MS / 1_000} seconds`,
}

/**
 * Finds out whether requests can be answered, by trying the operations that they need. It runs at most one probe per second and one at a
 * time, regardless of the number of callers. It logs changes with their cause.
 */
export class HealthMonitor {
  readonly #probes: Probes
  readonly #log: Pick<Logger, 'info' | 'error'>
  #health: Health = { reads: undefined, writes: undefined }
  #probed = Number.NEGATIVE_INFINITY
  #running: Promise<void> | undefined

  constructor(probes: Probes, log: Pick<Logger, 'info' | 'error'>) {
    this.#probes = probes
    this.#log = log
  }

  /** The result of a recent probe, or that the probe has not finished. Never rejects, and takes half a second at most. */
  async check(): Promise<Health> {
    if (this.#running === undefined && performance.now() - this.#probed >= MAX_AGE_MS) {
      this.#running = this.#probe().finally(() => {
        this.#running = undefined
      })
    }
    if (this.#running !== undefined) await Promise.race([this.#running, sleep(PATIENCE_MS)])
    return this.#health
  }

  async #probe(): Promise<void> {
    const late = setTimeout(() => this.#found({ reads: STALLED, writes: STALLED }), STALL_MS)
    late.unref()
    const [reads, writes] = await Promise.all([
      problemIn(this.#probes.blobs()),
      problemIn(this.#probes.writes()),
    ])
    clearTimeout(late)
    this.#probed = performance.now()
    this.#found({ reads, writes })
  }

  #found(health: Health): void {
    const before = this.#health
    this.#health = health
    logChange(this.#log, 'reads', { before: before.reads, now: health.reads })
    logChange(this.#log, 'writes', { before: before.writes, now: health.writes })
  }
}

/** Why an attempt failed; undefined if it succeeded. Never rejects. */
export async function problemIn(attempt: Promise<unknown>): Promise<Problem | undefined> {
  return await attempt.then(
    () => undefined,
    (error: unknown) => ({ kind: failureOf(error), cause: messageOf(error) }),
  )
}

function messageOf(error: unknown): string {
  const { message, cause } = error as Error
  return cause instanceof Error ? `${message}: ${cause.message}` : message
}

/**
 * Logs that something stopped working, works again, or fails in another way. Logs nothing if nothing has changed. Two stores have different
 * words for one cause, such as a full disk, so words only count for failures of an unknown kind.
 */
export function logChange(
  log: Pick<Logger, 'info' | 'error'>,
  what: 'reads' | 'writes',
  { before, now }: { before: Problem | undefined; now: Problem | undefined },
): void {
  const isSame = now?.kind === before?.kind && (now?.kind !== 'other' || now.cause === before?.cause)
  if (isSame) return
  if (now === undefined) log.info({}, `${what} work again`)
  else log.error({ cause: now.cause }, `${what} do not work`)
}
