import { randomBytes } from 'node:crypto'
import { memoryOfLoggedHosts } from '../http/allowed-hosts.ts'
import type { AcceptedConnection } from '../http/listener.ts'
import type { TlsFiles } from '../http/node.ts'
import { sharedWriters } from '../registry/upload-writers.ts'
import { type WorkerContext, WorkerSlot } from './worker-slot.ts'
import type { OrderToAll } from './worker-thread.ts'

/** What is held for workers that are being replaced; the system refuses many more by itself, since they are not accepted in time. */
const MAX_WAITING = 1024

/**
 * Keeps workers alive, threads that answer requests, and spreads connections over them: each goes to the worker that has the fewest. If a
 * worker dies, its connections end, its uploads are free to be continued at once, and another takes its place.
 */
export class WorkerPool {
  readonly #slots: WorkerSlot[]
  readonly #context: WorkerContext
  #waiting: [connection: AcceptedConnection, options: { isExcess: boolean } | undefined][] = []
  #turn = 0
  /** Whether files are sent inside of the kernel. */
  hasZeroCopy = false

  private constructor(context: WorkerContext, count: number) {
    this.#context = { ...context }
    const onOpen = () => this.#deliverWaiting()
    const writers = sharedWriters(`stowage-${randomBytes(8).toString('hex')}`, count)
    const loggedHosts = memoryOfLoggedHosts()
    this.#slots = Array.from(
      { length: count },
      (_, slot) => new WorkerSlot(this.#context, { writers, loggedHosts, slot }, onOpen),
    )
  }

  /** Starts workers. @throws what kept one from starting; no worker is left then */
  static async start(context: WorkerContext, count: number): Promise<WorkerPool> {
    const pool = new WorkerPool(context, count)
    const starts = await Promise.allSettled(pool.#slots.map((slot) => slot.open()))
    for (const result of starts) {
      if (result.status === 'fulfilled') {
        pool.hasZeroCopy = result.value.hasZeroCopy
        continue
      }
      await pool.close()
      throw result.reason
    }
    return pool
  }

  get count(): number {
    return this.#slots.length
  }

  /** How many connections all workers have. */
  connectionCount(): number {
    return this.connectionCounts().reduce((total, count) => total + count, 0)
  }

  /** How many connections each worker has. */
  connectionCounts(): number[] {
    return this.#slots.map((slot) => slot.connections)
  }

  /** Lets a worker answer a connection; if there is none at the moment, the next one that starts. */
  take(connection: AcceptedConnection, options?: { isExcess: boolean }): void {
    const slot = this.#leastBusy()
    if (slot !== undefined) slot.take(connection, options)
    else if (this.#waiting.length < MAX_WAITING) this.#waiting.push([connection, options])
    else connection.destroy()
  }

  /** Takes another certificate for new connections. */
  setTls(tls: TlsFiles): void {
    this.#context.tls = tls
    this.#tell({ tls })
  }

  /** Resolves once every worker has answered; one that died is waited for. */
  async answers(): Promise<void> {
    await Promise.all(this.#slots.map((slot) => slot.answers()))
  }

  /** Lets the readiness probe fail from now on. */
  withdraw(): void {
    this.#tell('withdraw')
  }

  /** Ends idle connections at once and each other after its current request, and waits for that. */
  async close(): Promise<void> {
    for (const [connection] of this.#waiting.splice(0)) connection.destroy()
    await Promise.all(this.#slots.map((slot) => slot.close()))
  }

  /** Ends all connections at once. */
  cut(): void {
    this.#tell('cut')
  }

  #tell(order: OrderToAll): void {
    for (const slot of this.#slots) slot.tell(order)
  }

  /** Where several have as few connections as any, they take turns. */
  #leastBusy(): WorkerSlot | undefined {
    this.#turn = (this.#turn + 1) % this.#slots.length
    const inTurn = [...this.#slots.slice(this.#turn), ...this.#slots.slice(0, this.#turn)]
    const open = inTurn.filter((slot) => slot.isOpen)
    return open.reduce<WorkerSlot | undefined>(
      (best, slot) => (best === undefined || slot.connections < best.connections ? slot : best),
      undefined,
    )
  }

  #deliverWaiting(): void {
    for (const [connection, options] of this.#waiting.splice(0)) this.take(connection, options)
  }
}
