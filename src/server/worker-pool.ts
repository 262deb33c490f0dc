import { randomBytes } from 'node:crypto'
import type { Config } from '../config.ts'
import { memoryOfLoggedHosts } from '../http/allowed-hosts.ts'
import type { AcceptedConnection } from '../http/listener.ts'
import type { TlsFiles } from '../http/node.ts'
import { sharedWriters } from '../registry/upload-writers.ts'
import { type WorkerContext, WorkerSlot } from './worker-slot.ts'
import type { OrderToAll } from './worker-thread.ts'

/**
 * How many connections are held for workers that are being replaced. If there are many more, the system refuses them, since they are not
 * accepted in time.
 */
const MAX_WAITING = 1024

/**
 * Runs the workers, which are threads that answer requests, and distributes connections: each goes to the worker with the fewest. If a
 * worker dies, its connections end, its uploads can be continued at once, and a new worker replaces it.
 */
export class WorkerPool {
  readonly #slots: WorkerSlot[]
  readonly #context: WorkerContext
  #waiting: [connection: AcceptedConnection, options: { isExcess: boolean } | undefined][] = []
  #turn = 0
  /** Whether the kernel sends files directly. */
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

  /** Starts workers. @throws the error that kept one from starting; no worker is running then */
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

  /** Passes a connection to a worker; if there is none at the moment, to the next one that starts. */
  take(connection: AcceptedConnection, options?: { isExcess: boolean }): void {
    const slot = this.#leastBusy()
    if (slot !== undefined) slot.take(connection, options)
    else if (this.#waiting.length < MAX_WAITING) this.#waiting.push([connection, options])
    else connection.destroy()
  }

  /** Uses another certificate for new connections. */
  setTls(tls: TlsFiles): void {
    this.#context.tls = tls
    this.#tell({ tls })
  }

  /** Uses changed settings. Resolves once every worker uses them. */
  async configure(config: Config): Promise<void> {
    this.#context.config = config
    this.#tell({ config })
    // A worker handles its messages in order.
    await this.answers()
  }

  /** Resolves once every worker has answered. If a worker died, it waits for the replacement. */
  async answers(): Promise<void> {
    await Promise.all(this.#slots.map((slot) => slot.answers()))
  }

  /** Makes the readiness probe fail from now on. */
  withdraw(): void {
    this.#tell('withdraw')
  }

  /** Ends idle connections at once and all others after their current request, and waits until they have ended. */
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

  /** If several workers have the fewest connections, they take turns. */
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
