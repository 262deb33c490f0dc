import { randomBytes } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import type { Logger } from 'pino'
import type { Config } from './config.ts'
import type { DataFolder } from './data-folder.ts'
import type { TlsFiles } from './http/node.ts'
import type { WorkerData, WorkerNews, WorkerOrder } from './worker-thread.ts'

const FIRST_PAUSE_MS = 100
const MAX_PAUSE_MS = 5_000
const GOOD_AGE_MS = 60_000

/** What all workers of a server have in common. */
export interface WorkerSurroundings {
  config: Config
  folder: DataFolder
  log: Logger
  port: number
  tls: TlsFiles | undefined
}

/**
 * Keeps workers alive: threads that answer requests, at one port. If one dies, its connections end, its uploads are free to be
 * continued at once, and another takes its place.
 */
export class WorkerHost {
  readonly #surroundings: WorkerSurroundings
  readonly #places: Place[]
  #tls: TlsFiles | undefined
  /** Whether files are sent inside of the kernel. */
  hasZeroCopy = false

  private constructor(surroundings: WorkerSurroundings, count: number) {
    this.#surroundings = surroundings
    this.#tls = surroundings.tls
    this.#places = Array.from(
      { length: count },
      () => new Place((holder) => this.#start(holder, count > 1), surroundings),
    )
  }

  /**
   * Starts workers.
   *
   * @throws the error of listening, such as EADDRINUSE; no worker is left then
   */
  static async start(surroundings: WorkerSurroundings, count: number): Promise<WorkerHost> {
    const host = new WorkerHost(surroundings, count)
    const starts = await Promise.allSettled(host.#places.map((place) => place.open()))
    for (const result of starts) {
      if (result.status === 'fulfilled') {
        host.hasZeroCopy = result.value.hasZeroCopy
        continue
      }
      await host.close()
      throw result.reason
    }
    return host
  }

  /** Takes another certificate for new connections. */
  setTls(tls: TlsFiles): void {
    this.#tls = tls
    for (const place of this.#places) place.tell({ tls })
  }

  /** Takes no more connections and waits for running requests. */
  async close(): Promise<void> {
    await Promise.all(this.#places.map((place) => place.close()))
  }

  #start(holder: string, sharesPort: boolean): Worker {
    const { config, folder, port } = this.#surroundings
    const shared = folder.share()
    const workerData: WorkerData = { config, folder: shared, holder, tls: this.#tls, port, sharesPort }
    return new Worker(new URL('./worker-thread.ts', import.meta.url), {
      workerData,
      transferList: [shared.metadata.writers],
    })
  }
}

/** The place of one worker, and whoever fills it. */
class Place {
  readonly #startWorker: (holder: string) => Worker
  readonly #surroundings: WorkerSurroundings
  #worker: Worker | undefined
  #ended: Promise<void> = Promise.resolve()
  #closing = false
  #started = 0
  #pause = FIRST_PAUSE_MS
  #restart: NodeJS.Timeout | undefined

  constructor(startWorker: (holder: string) => Worker, surroundings: WorkerSurroundings) {
    this.#startWorker = startWorker
    this.#surroundings = surroundings
  }

  /** Starts a worker here and waits until it listens. */
  async open(): Promise<{ hasZeroCopy: boolean }> {
    const holder = `${randomBytes(4).toString('hex')}-`
    this.#started = performance.now()
    const worker = this.#startWorker(holder)
    this.#worker = worker
    let cause: unknown
    worker.on('error', (error) => {
      cause = error
    })
    let listens = false
    this.#ended = new Promise((resolve) => {
      worker.on('exit', () => {
        this.#worker = undefined
        if (listens && !this.#closing) this.#replace(holder, cause)
        resolve()
      })
    })
    const news = await Promise.race([firstNews(worker), this.#ended.then(() => ({ problem: cause }))])
    if ('problem' in news) throw news.problem
    listens = true
    return news
  }

  tell(order: WorkerOrder): void {
    this.#worker?.postMessage(order)
  }

  async close(): Promise<void> {
    this.#closing = true
    clearTimeout(this.#restart)
    this.tell('close')
    await this.#ended
  }

  #replace(holder: string, cause: unknown): void {
    const { log, folder } = this.#surroundings
    log.error({ error: cause }, 'a worker died; another takes its place')
    folder.metadata
      .commit([{ type: 'releaseLeases', holder }])
      .catch((error: unknown) => log.error({ error }, 'the uploads of a dead worker stay leased for a while'))
    if (performance.now() - this.#started > GOOD_AGE_MS) this.#pause = FIRST_PAUSE_MS
    this.#reopenAfterPause()
  }

  #reopenAfterPause(): void {
    this.#restart = setTimeout(() => {
      this.open().catch((error: unknown) => {
        if (this.#closing) return
        this.#surroundings.log.error({ error }, 'a worker could not be started; it is tried again')
        this.#reopenAfterPause()
      })
    }, this.#pause)
    this.#pause = Math.min(2 * this.#pause, MAX_PAUSE_MS)
  }
}

function firstNews(worker: Worker): Promise<WorkerNews> {
  return new Promise((resolve) => worker.once('message', resolve))
}
