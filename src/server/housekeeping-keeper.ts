import { randomBytes } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import type { JobState } from '../jobs/slot.ts'
import type { JobRun } from '../metadata/jobs.ts'
import type { LossCounters } from '../registry/blob-presence.ts'
import { memoryOfJumps, steadyTime } from '../registry/clock-jumps.ts'
import type { Pins } from '../registry/pins.ts'
import type { Swept } from '../registry/sweep.ts'
import type { CollectRequest } from '../registry/sweeper.ts'
import type { CurrentConfig } from './current-config.ts'
import type { Housekeeping } from './housekeeping.ts'
import type {
  HousekeepingAnswer,
  HousekeepingCall,
  HousekeepingData,
  HousekeepingOrder,
  HousekeepingReport,
} from './housekeeping-thread.ts'
import { KeptThread } from './kept-thread.ts'
import type { LogOutput } from './log-output.ts'
import type { Metrics } from './metrics.ts'
import type { ThreadCounters } from './thread-counters.ts'
import type { ShareableStores } from './worker-slot.ts'

/** What the thread of housekeeping needs. */
export interface KeeperContext {
  current: CurrentConfig
  stores: ShareableStores
  losses: LossCounters
  pins: Pins
  log: Logger
  logOutput: LogOutput
  /** Absent if nothing is measured. */
  metrics: Metrics | undefined
  /** Receives the failures of stores that the thread meets. */
  counters: ThreadCounters | undefined
}

interface Waiting {
  order: HousekeepingCall
  resolve(result: never): void
  reject(error: unknown): void
}

type WithoutId<Call> = Call extends unknown ? Omit<Call, 'id'> : never

/**
 * Housekeeping on a thread of its own, so that a disk that hangs does not keep this thread from accepting connections. If the thread dies,
 * another one replaces it. The pins and the jumps of the clock are in memory that outlives the thread, and its leases are taken over.
 */
export class HousekeepingKeeper implements Housekeeping {
  readonly #context: KeeperContext
  readonly #holder = randomBytes(8).toString('hex')
  readonly #jumps = memoryOfJumps(Date.now, steadyTime)
  readonly #thread: KeptThread<unknown>
  readonly #waiting = new Map<number, Waiting>()
  #next = 0

  constructor(context: KeeperContext) {
    this.#context = context
    const { log } = context
    this.#thread = new KeptThread({
      start: () => this.#startThread(),
      onReady: (worker) => {
        worker.on('message', (report: HousekeepingReport) => this.#hear(report))
        for (const { order } of this.#waiting.values()) this.#tell(order)
      },
      onDeath: async (error) => {
        log.error({ error }, 'the housekeeping thread died; starting another one')
        this.#rejectAll('the housekeeping thread died')
      },
      onFailure: (error) =>
        log.error({ error }, 'the housekeeping thread could not be started; trying again'),
    })
  }

  /** Starts the thread, without waiting for it. */
  start(): void {
    this.#thread.openInBackground()
  }

  ask(job: string): void {
    this.#tell({ ask: job })
  }

  configure(config: Config): void {
    this.#tell({ config })
  }

  async collect(request: CollectRequest): Promise<Swept> {
    return await this.#call({ call: 'collect', argument: request })
  }

  async states(others: readonly JobState[]): Promise<JobState[]> {
    return await this.#call({ call: 'states', argument: others })
  }

  async runs(job: string): Promise<JobRun[]> {
    return await this.#call({ call: 'runs', argument: job })
  }

  async close(): Promise<void> {
    await this.#thread.close('close' satisfies HousekeepingOrder)
    this.#rejectAll('the server is stopping')
  }

  /** If there is no thread now, the call waits for the next one. @throws if the thread dies before it has answered */
  async #call<Result>(call: WithoutId<HousekeepingCall>): Promise<Result> {
    const id = this.#next++
    const order = { id, ...call }
    return await new Promise<Result>((resolve, reject) => {
      this.#waiting.set(id, { order, resolve, reject })
      if (this.#thread.isReady) this.#tell(order)
    })
  }

  #tell(order: HousekeepingOrder): void {
    this.#thread.post(order)
  }

  #hear(report: HousekeepingReport): void {
    const { metrics, counters } = this.#context
    if (report === 'started') return
    if ('run' in report) metrics?.countRun(report.run)
    else if ('failure' in report) counters?.countFailure(report.failure)
    else this.#settle(report)
  }

  #settle(answer: HousekeepingAnswer): void {
    const waiting = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    if ('error' in answer) waiting?.reject(answer.error)
    else waiting?.resolve(answer.result as never)
  }

  #rejectAll(reason: string): void {
    for (const { reject } of this.#waiting.values()) reject(new Error(reason))
    this.#waiting.clear()
  }

  #startThread(): Worker {
    const { current, stores, losses, pins, logOutput } = this.#context
    const { handle, transfer } = stores.share()
    const output = logOutput.share()
    const workerData: HousekeepingData = {
      config: current.value,
      stores: handle,
      holder: this.#holder,
      losses: losses.memory,
      pins: pins.memory,
      jumps: this.#jumps,
      logOutput: { port: output.port, counters: output.counters },
    }
    return new Worker(new URL('./housekeeping-thread.ts', import.meta.url), {
      workerData,
      transferList: [...transfer, output.port],
    })
  }
}
