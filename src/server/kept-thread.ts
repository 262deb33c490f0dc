import type { Transferable, Worker } from 'node:worker_threads'

const FIRST_PAUSE_MS = 100
const MAX_PAUSE_MS = 5_000
const GOOD_AGE_MS = 60_000

/** A thread that must always run, and who is told about it. */
export interface KeptProgram<News> {
  /** Starts the thread. Its first message says that it is ready. */
  start(): Worker
  /** Called when a thread is ready. @param news its first message */
  onReady(worker: Worker, news: News): void
  /** Called whenever a thread has ended. */
  onEnd?(): void
  /** Called when a thread that was ready has died. The next one starts some time after the promise has resolved. */
  onDeath(cause: unknown): Promise<void>
  /** Called when a thread could not be started again. There will be another attempt. */
  onFailure(cause: unknown): void
}

/** Keeps a thread running: if it dies, another one replaces it. */
export class KeptThread<News> {
  readonly #program: KeptProgram<News>
  #worker: Worker | undefined
  #ended: Promise<void> = Promise.resolve()
  #isReady = false
  #isClosing = false
  #started = 0
  #pause = FIRST_PAUSE_MS
  #restart: NodeJS.Timeout | undefined

  constructor(program: KeptProgram<News>) {
    this.#program = program
  }

  /** Whether there is a thread that takes messages. */
  get isReady(): boolean {
    return this.#isReady && !this.#isClosing
  }

  /** Starts a thread and waits until it is ready. @throws the error that ended it before that */
  async open(): Promise<News> {
    this.#started = performance.now()
    const worker = this.#program.start()
    this.#worker = worker
    let cause: unknown
    worker.on('error', (error) => {
      cause = error
    })
    this.#ended = new Promise((resolve) => {
      worker.on('exit', () => {
        void this.#end(cause)
        resolve()
      })
    })
    const first = new Promise<News>((resolve) => worker.once('message', resolve))
    const news = await Promise.race([first, this.#ended])
    if (news === undefined) throw cause
    this.#isReady = true
    this.#program.onReady(worker, news)
    return news
  }

  /** Starts a thread without waiting for it. If that fails, it is tried again until it succeeds. */
  openInBackground(): void {
    this.open().catch((error: unknown) => {
      if (this.#isClosing) return
      this.#program.onFailure(error)
      this.#reopenAfterPause()
    })
  }

  /** Sends a message to the thread. If there is none now, the message is lost. */
  post(message: unknown, transfer: Transferable[] = []): void {
    this.#worker?.postMessage(message, transfer)
  }

  /** Tells the thread to end, and waits for that. No other thread starts. @param order the message that tells it */
  async close(order: unknown): Promise<void> {
    this.#isClosing = true
    clearTimeout(this.#restart)
    this.post(order)
    await this.#ended
  }

  async #end(cause: unknown): Promise<void> {
    const wasReady = this.#isReady
    this.#worker = undefined
    this.#isReady = false
    this.#program.onEnd?.()
    if (!wasReady || this.#isClosing) return
    await this.#program.onDeath(cause)
    if (this.#isClosing) return
    if (performance.now() - this.#started > GOOD_AGE_MS) this.#pause = FIRST_PAUSE_MS
    this.#reopenAfterPause()
  }

  #reopenAfterPause(): void {
    this.#restart = setTimeout(() => this.openInBackground(), this.#pause)
    this.#pause = Math.min(2 * this.#pause, MAX_PAUSE_MS)
  }
}
