import { RegistryError } from '../oci/error.ts'
import type { HttpResponse } from './message.ts'
import { errorResponse } from './respond.ts'

const CHECK_MS = 500
/** How many checks a read may last while the storage is stalled: ten seconds. */
const PATIENCE = 20
const READS = ['GET', 'HEAD']

interface WaitingRequest {
  isRead: boolean
  /** The number of the check before it. */
  since: number
  giveUp(): void
}

/**
 * The requests of a thread while the storage may be stalled. If it is, writes are refused at once, and waiting requests are answered. Work
 * that was begun for them continues in the background once the storage answers again.
 */
export class StalledRequests {
  readonly #isStalled: () => boolean
  readonly #running = new Set<WaitingRequest>()
  #timer: NodeJS.Timeout | undefined
  #checks = 0

  /** @param isStalled whether the storage has not answered for some time */
  constructor(isStalled: () => boolean) {
    this.#isStalled = isStalled
  }

  /** The answer to a request that should not start now; undefined if it may start. */
  refusal(method: string | undefined): HttpResponse | undefined {
    if (isRead(method) || !this.#isStalled()) return undefined
    const message = 'the storage of the registry does not answer now, so nothing was done; try again later'
    return errorResponse(new RegistryError('UNAVAILABLE', { message }))
  }

  /**
   * Waits for the answer to a request.
   *
   * @returns undefined if the request is given up because the storage is stalled: a write at once, a read after ten seconds
   */
  answered(method: string | undefined, work: Promise<HttpResponse>): Promise<HttpResponse | undefined> {
    this.#timer ??= setInterval(() => this.#check(), CHECK_MS).unref()
    // Every request passes here, so this code allocates as little as possible.
    return new Promise((resolve, reject) => {
      const entry = { isRead: isRead(method), since: this.#checks, giveUp: () => resolve(undefined) }
      this.#running.add(entry)
      work.then(
        (response) => {
          this.#running.delete(entry)
          resolve(response)
        },
        (error: unknown) => {
          this.#running.delete(entry)
          reject(error)
        },
      )
    })
  }

  /** Stops checking whether requests must be given up. */
  close(): void {
    clearInterval(this.#timer)
  }

  #check(): void {
    this.#checks++
    if (!this.#isStalled()) return
    for (const entry of this.#running) {
      if (!entry.isRead || this.#checks - entry.since > PATIENCE) entry.giveUp()
    }
  }
}

/** The answer to a request that was given up. */
export function givenUp(): HttpResponse {
  const message =
    'the storage of the registry does not answer now; whether this will still be done cannot be told; try again later'
  return errorResponse(new RegistryError('UNAVAILABLE', { message }))
}

function isRead(method: string | undefined): boolean {
  return READS.includes(method ?? '')
}
