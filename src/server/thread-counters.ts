import type { Extension } from '../api/extension.ts'
import { PROBES } from '../api/probes.ts'
import { ENDPOINTS } from '../endpoints/endpoints.ts'
import type { AnsweredRequest } from '../http/answered-request.ts'
import { ERRORS } from '../oci/error.ts'
import { STORE_FAILURES, type StoreFailure } from '../registry/store-error.ts'

/** Upper bounds of the durations that are counted together, in seconds. */
export const DURATION_BOUNDS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
]

/** An operation of which requests are counted; `none` stands for requests that were refused before theirs was known. */
export interface CountedOperation {
  operation: string
  method: string
}

/** What a thread counted of one operation. */
export interface OperationCounts extends CountedOperation {
  /** Requests by status; `none` stands for clients that left before there was an answer. */
  requests: readonly (readonly [status: string, count: number])[]
  /** By {@link DURATION_BOUNDS}, with one more number for longer ones. They do not include each other. */
  durations: readonly number[]
  /** The sum of all durations. */
  seconds: number
  received: number
  sent: number
}

const OTHER = 'other'
const NONE = 'none'
const STATUSES: readonly string[] = [
  ...new Set([200, 201, 202, 204, 206, 304, ...Object.values(ERRORS).map(({ status }) => status)]),
]
  .sort((one, two) => one - two)
  .map(String)
  .concat(OTHER, NONE)
const INDEX_OF_STATUS = new Map(STATUSES.map((status, index) => [Number(status), index]))
const INDEX_OF_OTHER = STATUSES.indexOf(OTHER)
const INDEX_OF_NONE = STATUSES.indexOf(NONE)

const DURATIONS = STATUSES.length
const SECONDS = DURATIONS + DURATION_BOUNDS.length + 1
const RECEIVED = SECONDS + 1
const SENT = RECEIVED + 1
const WIDTH = SENT + 1

/** All operations, each with its HEAD right after it if it has one. */
function listOperations(extensions: readonly Extension[]): CountedOperation[] {
  const endpoints = [...Object.values(ENDPOINTS).flat(), ...extensions.flatMap((one) => one.endpoints)]
  const probes = Object.values(PROBES).map(({ GET }) => ({ id: GET.id, method: 'GET' }))
  return [{ id: NONE, method: OTHER }, ...probes, ...endpoints].flatMap(({ id, method }) => [
    { operation: id, method },
    ...(method === 'GET' ? [{ operation: id, method: 'HEAD' }] : []),
  ])
}

/**
 * What a thread counts. The counters lie in memory that another thread can read at any time, so that a scrape does not wait for busy threads
 * and nothing is lost with a thread that dies: its replacement continues to count. Only one thread writes, by plain additions.
 */
export class ThreadCounters {
  readonly memory: SharedArrayBuffer
  readonly #operations: readonly CountedOperation[]
  readonly #index: ReadonlyMap<string, number>
  readonly #counts: Float64Array
  readonly #failures: Float64Array

  /**
   * @param extensions those of the server, the same in all threads
   * @param memory of the counters of another thread, or of a thread that died; new memory if absent
   */
  constructor(extensions: readonly Extension[], memory?: SharedArrayBuffer) {
    this.#operations = listOperations(extensions)
    this.#index = new Map(
      this.#operations.flatMap(({ operation, method }, index) =>
        method === 'HEAD' ? [] : [[operation, index] as const],
      ),
    )
    const length = this.#operations.length * WIDTH
    const bytes = (length + STORE_FAILURES.length) * Float64Array.BYTES_PER_ELEMENT
    this.memory = memory ?? new SharedArrayBuffer(bytes)
    this.#counts = new Float64Array(this.memory, 0, length)
    this.#failures = new Float64Array(this.memory, length * Float64Array.BYTES_PER_ELEMENT)
  }

  /** Counts a request. */
  observe({ operation, method, status, milliseconds, received, sent }: AnsweredRequest): void {
    const known = operation === undefined ? 0 : (this.#index.get(operation) ?? 0)
    const start = (method === 'HEAD' && known > 0 ? known + 1 : known) * WIDTH
    const seconds = milliseconds / 1000
    this.#add(start + indexOfStatus(status), 1)
    this.#add(start + DURATIONS + indexOfDuration(seconds), 1)
    this.#add(start + SECONDS, seconds)
    this.#add(start + RECEIVED, received)
    this.#add(start + SENT, sent)
  }

  /** Counts a failure of a store. */
  countFailure(failure: StoreFailure): void {
    const index = STORE_FAILURES.indexOf(failure)
    this.#failures[index] = (this.#failures[index] ?? 0) + 1
  }

  /** The operations that were requested at least once. */
  readOperations(): OperationCounts[] {
    return this.#operations
      .map((operation, index) => this.#readOperation(operation, index * WIDTH))
      .filter(({ requests }) => requests.some(([, count]) => count > 0))
  }

  readFailures(): (readonly [failure: StoreFailure, count: number])[] {
    return STORE_FAILURES.map((failure, index) => [failure, this.#failures[index] ?? 0])
  }

  #readOperation(operation: CountedOperation, start: number): OperationCounts {
    const at = (index: number) => this.#counts[start + index] ?? 0
    return {
      ...operation,
      requests: STATUSES.map((status, index) => [status, at(index)]),
      durations: Array.from({ length: DURATION_BOUNDS.length + 1 }, (_, index) => at(DURATIONS + index)),
      seconds: at(SECONDS),
      received: at(RECEIVED),
      sent: at(SENT),
    }
  }

  #add(index: number, more: number): void {
    this.#counts[index] = (this.#counts[index] ?? 0) + more
  }
}

function indexOfStatus(status: number | undefined): number {
  return status === undefined ? INDEX_OF_NONE : (INDEX_OF_STATUS.get(status) ?? INDEX_OF_OTHER)
}

function indexOfDuration(seconds: number): number {
  let index = 0
  while (index < DURATION_BOUNDS.length && seconds > (DURATION_BOUNDS[index] ?? 0)) index++
  return index
}
