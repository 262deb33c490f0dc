import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Probes } from '../registry/registry.ts'
import { STALL_MS } from '../storage/disk-gate.ts'

/** Why reads or writes cannot be done at the moment; undefined for what works. */
export interface Health {
  reads: string | undefined
  writes: string | undefined
}

/** How long what a probe found counts. */
const MAX_AGE_MS = 1_000
/** Those who ask wait no longer for a probe; until it is over, the one before it counts. */
const PATIENCE_MS = 500
const STALLED = `the storage has not responded for ${STALL_MS / 1_000} seconds`

/**
 * Tells whether requests can be answered, by trying what they need: once a second at most and one probe at a time, however many ask.
 * What changes is logged, with its cause.
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

  /** What a probe has found just now, or that it has not come back. Never rejects, and takes half a second at most. */
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
    const [reads, writes] = await Promise.all([causeOf(this.#probes.blobs()), causeOf(this.#probes.writes())])
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

async function causeOf(probe: Promise<void>): Promise<string | undefined> {
  return await probe.then(
    () => undefined,
    (error: unknown) => messageOf(error),
  )
}

function messageOf(error: unknown): string {
  const { message, cause } = error as Error
  return cause instanceof Error ? `${message}: ${cause.message}` : message
}

/** Logs that something works no more, or again, or fails for another reason; nothing where all is as before. */
export function logChange(
  log: Pick<Logger, 'info' | 'error'>,
  what: 'reads' | 'writes',
  { before, now }: { before: string | undefined; now: string | undefined },
): void {
  if (now === before) return
  if (now === undefined) log.info({}, `${what} work again`)
  else log.error({ cause: now }, `${what} do not work`)
}
