import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import { BatchCounts } from './batch-counts.ts'
import type { StoreClock } from './store-clock.ts'
import type { Versions } from './versions.ts'
import type { WriterOrder, WriterThreadData } from './writer-thread.ts'

/** Delivers the ports of the writers to a client, one after the other. */
export interface WriterPorts {
  onPort(take: (port: MessagePort) => void): void
}

const FIRST_PAUSE_MS = 50
const MAX_PAUSE_MS = 5_000
const GOOD_AGE_MS = 60_000

/**
 * Keeps one writer thread running and connects clients to it, which may be on other threads. If it dies, another one takes over: commits
 * that were made are durable, and all others are rolled back.
 */
export class WriterHost {
  /** What all writers did. */
  readonly batches = new BatchCounts()
  readonly #data: WriterThreadData
  readonly #onDeath: (error: unknown) => void
  readonly #controls = new Set<MessagePort>()
  #worker: Worker
  #started = performance.now()
  #pause = FIRST_PAUSE_MS
  #closing = false
  #ended: Promise<void>
  #restart: NodeJS.Timeout | undefined

  /** @param onDeath called with the reason when a writer died; another one is about to start */
  constructor(
    { path, versions, clock }: { path: string; versions: Versions; clock: StoreClock },
    onDeath: (error: unknown) => void,
  ) {
    this.#data = { path, versions: versions.memory, clock: clock.memory, batches: this.batches.memory }
    this.#onDeath = onDeath
    ;({ worker: this.#worker, ended: this.#ended } = this.#start())
  }

  /** @returns a port whose messages are the ports of the writers, and nothing else */
  connect(): MessagePort {
    const { port1: control, port2: far } = new MessageChannel()
    control.unref()
    control.on('close', () => this.#controls.delete(control))
    this.#controls.add(control)
    this.#introduce(control)
    return far
  }

  /** Ends the writer once it has handled all messages. */
  async close(): Promise<void> {
    this.#closing = true
    clearTimeout(this.#restart)
    this.#worker.postMessage('close' satisfies WriterOrder)
    await this.#ended
    for (const control of this.#controls) control.close()
  }

  #introduce(control: MessagePort): void {
    const { port1, port2 } = new MessageChannel()
    this.#worker.postMessage({ port: port1 } satisfies WriterOrder, [port1])
    control.postMessage(port2, [port2])
  }

  #start(): { worker: Worker; ended: Promise<void> } {
    const worker = new Worker(new URL('./writer-thread.ts', import.meta.url), {
      // Without the options of the host program, which may only apply to its own main file.
      execArgv: [],
      workerData: this.#data,
    })
    let cause: unknown
    worker.on('error', (error) => {
      cause = error
    })
    const ended = new Promise<void>((resolve) => {
      worker.on('exit', () => {
        if (!this.#closing) this.#replace(cause)
        resolve()
      })
    })
    return { worker, ended }
  }

  #replace(cause: unknown): void {
    this.#onDeath(cause)
    if (performance.now() - this.#started > GOOD_AGE_MS) this.#pause = FIRST_PAUSE_MS
    this.#restart = setTimeout(() => {
      this.#started = performance.now()
      ;({ worker: this.#worker, ended: this.#ended } = this.#start())
      for (const control of this.#controls) this.#introduce(control)
    }, this.#pause)
    this.#pause = Math.min(2 * this.#pause, MAX_PAUSE_MS)
  }
}
