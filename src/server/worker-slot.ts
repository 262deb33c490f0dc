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
import { KeptThread } from './kept-thread.ts'
import type { LogOutput } from './log-output.ts'
import type { Metrics } from './metrics.ts'
import type { ThreadCounters } from './thread-counters.ts'
import type { OrderToAll, WorkerData, WorkerNews, WorkerOrder, WorkerReport } from './worker-thread.ts'

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
  readonly #counters: ThreadCounters | undefined
  readonly #thread: KeptThread<WorkerNews>
  #holder = ''
  #connections = countOfConnections()
  readonly #asking: (() => void)[] = []
  /** Connections that the worker is about to adopt, by descriptor. */
  readonly #lent = new Map<number, AcceptedConnection>()

  /** @param onOpen called whenever a worker is ready for connections */
  constructor(context: Readonly<WorkerContext>, inPool: SlotInPool, onOpen: () => void) {
    this.#context = context
    this.#inPool = inPool
    this.#counters = context.metrics?.addThread()
    this.#thread = new KeptThread({
      start: () => this.#startWorker(),
      onReady: (worker) => {
        worker.on('message', (report: WorkerReport) => this.#hear(worker, report))
        this.#hasAnswered()
        onOpen()
      },
      onEnd: () => {
        for (const descriptor of this.#lent.keys()) this.#giveUp(descriptor)
      },
      onDeath: (cause) => this.#cleanUp(cause),
      onFailure: (error) =>
        context.log.error({ error }, 'a worker thread could not be started; trying again'),
    })
  }

  /** Whether there is a worker that takes connections. */
  get isOpen(): boolean {
    return this.#thread.isReady
  }

  /** How many connections the worker has. Those of a worker that died do not count. */
  get connections(): number {
    return Atomics.load(this.#connections, 0)
  }

  /** Starts a worker and waits until it answers. @throws the error that ended it before that */
  async open(): Promise<WorkerNews> {
    return await this.#thread.open()
  }

  /** Passes a connection to the worker. */
  take(connection: AcceptedConnection, options = { isExcess: false }): void {
    Atomics.add(this.#connections, 0, 1)
    const descriptor = adoptableDescriptor(connection)
    if (descriptor === undefined)
      return void this.#thread.post({ connection, ...options } satisfies WorkerOrder, [connection])
    // It stays open here until the worker has adopted it, so that its descriptor can't be reused before that.
    this.#lent.set(descriptor, connection)
    this.#thread.post({ descriptor, ...options } satisfies WorkerOrder)
  }

  /** Resolves once the worker has answered, or its replacement if it dies. */
  answers(): Promise<void> {
    return new Promise((resolve) => {
      this.#asking.push(resolve)
      this.tell('answer')
    })
  }

  tell(order: OrderToAll): void {
    this.#thread.post(order)
  }

  async close(): Promise<void> {
    await this.#thread.close('close' satisfies WorkerOrder)
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

  #startWorker(): Worker {
    this.#holder = `${randomBytes(4).toString('hex')}-`
    const { config, stores, losses, tls } = this.#context
    const { handle, transfer } = stores.share()
    const logOutput = this.#context.logOutput.share()
    // A worker that died can no longer subtract the connections that ended with it.
    this.#connections = countOfConnections()
    const workerData: WorkerData = {
      config,
      stores: handle,
      holder: this.#holder,
      losses: losses.memory,
      ...this.#inPool,
      tls,
      logOutput,
      connections: this.#connections,
      counters: this.#counters?.memory,
    }
    return new Worker(new URL('./worker-thread.ts', import.meta.url), {
      workerData,
      transferList: [...transfer, logOutput.port],
    })
  }

  #hasAnswered(): void {
    for (const resolve of this.#asking.splice(0)) resolve()
  }

  /** Closes a connection on this thread. The worker keeps it open if it has adopted it. */
  #giveUp(descriptor: number): void {
    this.#lent.get(descriptor)?.destroy()
    this.#lent.delete(descriptor)
  }

  async #cleanUp(cause: unknown): Promise<void> {
    const { log, stores } = this.#context
    log.error({ error: cause }, 'a worker thread died; starting another one')
    await stores
      .releaseLeases(this.#holder)
      .catch((error: unknown) =>
        log.error(
          { error },
          'the uploads of a dead worker thread could not be released; their leases will expire',
        ),
      )
    // Until then other workers wait for this one instead of treating it as a writer that may wake up again.
    forgetWriters(this.#inPool.writers, this.#inPool.slot)
  }
}

function countOfConnections(): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(4))
}
