import { randomBytes } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import type { AcceptedConnection } from '../http/listener.ts'
import type { TlsFiles } from '../http/node.ts'
import { adoptableDescriptor } from '../http/unix-connection.ts'
import type { LossCounters } from '../registry/blob-presence.ts'
import { forgetWriters, type SharedWriters } from '../registry/upload-writers.ts'
import type { SharedStores, Stores } from '../stores/stores.ts'
import type { HealthMonitor } from './health.ts'
import type { LogOutput } from './log-output.ts'
import type { Metrics } from './metrics.ts'
import type { ThreadCounters } from './thread-counters.ts'
import type { OrderToAll, WorkerData, WorkerNews, WorkerOrder, WorkerReport } from './worker-thread.ts'

const FIRST_PAUSE_MS = 100
const MAX_PAUSE_MS = 5_000
const GOOD_AGE_MS = 60_000

/** Stores that other threads can use. */
export type ShareableStores = Pick<Stores, 'releaseLeases'> & { share(): SharedStores }

/** What all workers of a server have in common. */
export interface WorkerContext {
  config: Config
  stores: ShareableStores
  health: HealthMonitor
  losses: LossCounters
  log: Logger
  logOutput: LogOutput
  tls: TlsFiles | undefined
  /** Runs a job of the server soon. */
  ask(job: string): void
  /** Absent if nothing is measured. */
  metrics?: Metrics | undefined
}

/** The index of the slot in its pool, and what all slots share. */
export interface SlotInPool {
  writers: SharedWriters
  loggedHosts: Int32Array<SharedArrayBuffer>
  slot: number
}

/** Keeps one worker running: if it dies, a new one replaces it. */
export class WorkerSlot {
  readonly #context: Readonly<WorkerContext>
  readonly #inPool: SlotInPool
  readonly #onOpen: () => void
  readonly #counters: ThreadCounters | undefined
  #connections = countOfConnections()
  #worker: Worker | undefined
  #ended: Promise<void> = Promise.resolve()
  #closing = false
  #answers = false
  #started = 0
  #pause = FIRST_PAUSE_MS
  #restart: NodeJS.Timeout | undefined
  readonly #asking: (() => void)[] = []
  /** Connections that the worker is about to adopt, by descriptor. */
  readonly #lent = new Map<number, AcceptedConnection>()

  /** @param onOpen called whenever a worker is ready for connections */
  constructor(context: Readonly<WorkerContext>, inPool: SlotInPool, onOpen: () => void) {
    this.#context = context
    this.#inPool = inPool
    this.#onOpen = onOpen
    this.#counters = context.metrics?.addThread()
  }

  /** Whether there is a worker that takes connections. */
  get isOpen(): boolean {
    return this.#answers && !this.#closing
  }

  /** How many connections the worker has. Those of a worker that died do not count. */
  get connections(): number {
    return Atomics.load(this.#connections, 0)
  }

  /** Starts a worker and waits until it answers. */
  async open(): Promise<WorkerNews> {
    const holder = `${randomBytes(4).toString('hex')}-`
    this.#started = performance.now()
    const worker = this.#startWorker(holder)
    let cause: unknown
    worker.on('error', (error) => {
      cause = error
    })
    this.#ended = new Promise((resolve) => {
      worker.on('exit', () => {
        void this.#ends(holder, cause)
        resolve()
      })
    })
    const news = await Promise.race([firstNews(worker), this.#ended])
    if (news === undefined) throw cause
    worker.on('message', (report: WorkerReport) => this.#hear(worker, report))
    this.#hasAnswered()
    this.#answers = true
    this.#onOpen()
    return news
  }

  /** Passes a connection to the worker. */
  take(connection: AcceptedConnection, options = { isExcess: false }): void {
    Atomics.add(this.#connections, 0, 1)
    const descriptor = adoptableDescriptor(connection)
    if (descriptor === undefined)
      return void this.#worker?.postMessage({ connection, ...options } satisfies WorkerOrder, [connection])
    // It stays open here until the worker has adopted it, so that its descriptor can't be reused before that.
    this.#lent.set(descriptor, connection)
    this.#worker?.postMessage({ descriptor, ...options } satisfies WorkerOrder)
  }

  /** Resolves once the worker has answered, or its replacement if it dies. */
  answers(): Promise<void> {
    return new Promise((resolve) => {
      this.#asking.push(resolve)
      this.tell('answer')
    })
  }

  tell(order: OrderToAll): void {
    this.#worker?.postMessage(order)
  }

  async close(): Promise<void> {
    this.#closing = true
    clearTimeout(this.#restart)
    this.tell('close')
    await this.#ended
  }

  #hear(worker: Worker, report: WorkerReport): void {
    if (report === 'health') void this.#tellHealth(worker)
    else if (report === 'metrics') void this.#tellMetrics(worker)
    else if (report === 'answers') this.#hasAnswered()
    else if ('ask' in report) this.#context.ask(report.ask)
    else this.#giveUp(report.adopted)
  }

  async #tellHealth(worker: Worker): Promise<void> {
    const health = await this.#context.health.check()
    worker.postMessage({ health } satisfies WorkerOrder)
  }

  async #tellMetrics(worker: Worker): Promise<void> {
    const metrics = await this.#context.metrics?.text().catch((error: unknown) => {
      this.#context.log.error({ error }, 'the metrics could not be read')
      return undefined
    })
    worker.postMessage({ metrics } satisfies WorkerOrder)
  }

  #startWorker(holder: string): Worker {
    const { config, stores, losses, tls } = this.#context
    const { handle, transfer } = stores.share()
    const logOutput = this.#context.logOutput.share()
    // A worker that died can no longer subtract the connections that ended with it.
    this.#connections = countOfConnections()
    const workerData: WorkerData = {
      config,
      stores: handle,
      holder,
      losses: losses.memory,
      ...this.#inPool,
      tls,
      logOutput,
      connections: this.#connections,
      counters: this.#counters?.memory,
    }
    this.#worker = new Worker(new URL('./worker-thread.ts', import.meta.url), {
      workerData,
      transferList: [...transfer, logOutput.port],
    })
    return this.#worker
  }

  #hasAnswered(): void {
    for (const resolve of this.#asking.splice(0)) resolve()
  }

  /** Closes a connection on this thread. The worker keeps it open if it has adopted it. */
  #giveUp(descriptor: number): void {
    this.#lent.get(descriptor)?.destroy()
    this.#lent.delete(descriptor)
  }

  async #ends(holder: string, cause: unknown): Promise<void> {
    for (const descriptor of this.#lent.keys()) this.#giveUp(descriptor)
    const answered = this.#answers
    this.#worker = undefined
    this.#answers = false
    if (!answered || this.#closing) return
    const { log, stores } = this.#context
    log.error({ error: cause }, 'a worker thread died; starting another one')
    await stores
      .releaseLeases(holder)
      .catch((error: unknown) =>
        log.error(
          { error },
          'the uploads of a dead worker thread could not be released; their leases will expire',
        ),
      )
    // Until then other workers wait for this one instead of treating it as a writer that may wake up again.
    forgetWriters(this.#inPool.writers, this.#inPool.slot)
    if (this.#closing) return
    if (performance.now() - this.#started > GOOD_AGE_MS) this.#pause = FIRST_PAUSE_MS
    this.#reopenAfterPause()
  }

  #reopenAfterPause(): void {
    this.#restart = setTimeout(() => {
      this.open().catch((error: unknown) => {
        if (this.#closing) return
        this.#context.log.error({ error }, 'a worker thread could not be started; trying again')
        this.#reopenAfterPause()
      })
    }, this.#pause)
    this.#pause = Math.min(2 * this.#pause, MAX_PAUSE_MS)
  }
}

function countOfConnections(): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(4))
}

function firstNews(worker: Worker): Promise<WorkerNews> {
  return new Promise((resolve) => worker.once('message', resolve))
}
