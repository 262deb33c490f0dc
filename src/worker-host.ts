import { randomBytes } from 'node:crypto'
import { memoryOfLoggedHosts } from './http/allowed-hosts.ts'
import type { AcceptedConnection } from './http/listener.ts'
import type { TlsFiles } from './http/node.ts'
import { sharedWriters } from './registry/upload-writers.ts'
import { WorkerPlace, type WorkerSurroundings } from './worker-place.ts'
import type { OrderToAll } from './worker-thread.ts'

/** What is held for workers that are being replaced; the system refuses many more by itself, since they are not accepted in time. */
const MAX_WAITING = 1024

/**
 * Keeps workers alive, threads that answer requests, and spreads connections over them: each goes to the worker that has the fewest. If a
 * worker dies, its connections end, its uploads are free to be continued at once, and another takes its place.
 */
export class WorkerHost {
  readonly #places: WorkerPlace[]
  readonly #surroundings: WorkerSurroundings
  #waiting: [connection: AcceptedConnection, options: { isExcess: boolean } | undefined][] = []
  #turn = 0
  /** Whether files are sent inside of the kernel. */
  hasZeroCopy = false

  private constructor(surroundings: WorkerSurroundings, count: number) {
    this.#surroundings = { ...surroundings }
    const onOpen = () => this.#deliverWaiting()
    const writers = sharedWriters(`stowage-${randomBytes(8).toString('hex')}`, count)
    const loggedHosts = memoryOfLoggedHosts()
    this.#places = Array.from(
      { length: count },
      (_, place) => new WorkerPlace(this.#surroundings, { writers, loggedHosts, place }, onOpen),
    )
  }

  /** Starts workers. @throws what kept one from starting; no worker is left then */
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

  get threads(): number {
    return this.#places.length
  }

  /** How many connections all workers have. */
  connectionCount(): number {
    return this.connectionCounts().reduce((total, count) => total + count, 0)
  }

  /** How many connections each worker has. */
  connectionCounts(): number[] {
    return this.#places.map((place) => place.connections)
  }

  /** Lets a worker answer a connection; if there is none at the moment, the next one that starts. */
  take(connection: AcceptedConnection, options?: { isExcess: boolean }): void {
    const place = this.#leastBusy()
    if (place !== undefined) place.take(connection, options)
    else if (this.#waiting.length < MAX_WAITING) this.#waiting.push([connection, options])
    else connection.destroy()
  }

  /** Takes another certificate for new connections. */
  setTls(tls: TlsFiles): void {
    this.#surroundings.tls = tls
    this.#tell({ tls })
  }

  /** Resolves once every worker has answered; one that died is waited for. */
  async answers(): Promise<void> {
    await Promise.all(this.#places.map((place) => place.answers()))
  }

  /** Lets the readiness probe fail from now on. */
  withdraw(): void {
    this.#tell('withdraw')
  }

  /** Ends idle connections at once and each other after its current request, and waits for that. */
  async close(): Promise<void> {
    for (const [connection] of this.#waiting.splice(0)) connection.destroy()
    await Promise.all(this.#places.map((place) => place.close()))
  }

  /** Ends all connections at once. */
  cut(): void {
    this.#tell('cut')
  }

  #tell(order: OrderToAll): void {
    for (const place of this.#places) place.tell(order)
  }

  /** Where several have as few connections as any, they take turns. */
  #leastBusy(): WorkerPlace | undefined {
    this.#turn = (this.#turn + 1) % this.#places.length
    const inTurn = [...this.#places.slice(this.#turn), ...this.#places.slice(0, this.#turn)]
    const open = inTurn.filter((place) => place.isOpen)
    return open.reduce<WorkerPlace | undefined>(
      (best, place) => (best === undefined || place.connections < best.connections ? place : best),
      undefined,
    )
  }

  #deliverWaiting(): void {
    for (const [connection, options] of this.#waiting.splice(0)) this.take(connection, options)
  }
}
