import { median, percentile } from '../statistics.ts'
import { type Address, Connection, type ReadPace } from './connection.ts'
import type { LoadResult } from './plan.ts'

/** One thing that a client does, on its connection. Throws if an answer is not as it should be. @returns the bytes of content */
export type Operation = (connection: Connection, client: number) => Promise<number>

/** How clients do their work. */
export interface ClientsOptions {
  address: Address
  clients: number
  seconds: number
  /** The next thing to do; undefined when there is no more. */
  next: () => Operation | undefined
  pace?: ReadPace
}

/** Clients that are connected and wait for their start. */
export interface Clients {
  run(): Promise<LoadResult>
  /** Ends what runs, wherever it is; that is no failure. */
  stop(): void
}

/** Connects clients, and does something once on each connection, before anything is counted. */
export async function connectClients(options: ClientsOptions, warmUp: () => Operation): Promise<Clients> {
  const { address, clients, pace } = options
  const connections = await Promise.all(Array.from({ length: clients }, () => Connection.open(address, pace)))
  await Promise.all(connections.map(async (connection, client) => await warmUp()(connection, client)))
  const stopped = new AbortController()
  return {
    run: async () => await runClients(options, connections, stopped.signal),
    stop: () => stopped.abort(),
  }
}

async function runClients(
  options: ClientsOptions,
  connections: Connection[],
  stopped: AbortSignal,
): Promise<LoadResult> {
  const latencies: number[] = []
  const failures: string[] = []
  let bytes = 0
  const cpu = process.cpuUsage()
  const start = performance.now()
  const end = start + options.seconds * 1000
  const client = async (first: Connection, index: number) => {
    let connection = first
    stopped.addEventListener('abort', () => connection.close())
    while (performance.now() < end && !stopped.aborted) {
      const operation = options.next()
      if (operation === undefined) break
      const began = performance.now()
      try {
        if (!connection.isOpen) connection = await Connection.open(options.address, options.pace)
        bytes += await operation(connection, index)
        latencies.push(performance.now() - began)
      } catch (error) {
        if (!stopped.aborted) failures.push((error as Error).message)
        connection.close()
      }
    }
    connection.close()
  }
  await Promise.all(connections.map(client))
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpu)
  return {
    count: latencies.length,
    bytes,
    seconds,
    failed: failures.length,
    ...(failures[0] !== undefined && { firstFailure: failures[0] }),
    median: median(latencies),
    p99: percentile(latencies, 0.99),
    cpuSeconds: (user + system) / 1e6,
    threads: 1,
  }
}
