import { parentPort, workerData } from 'node:worker_threads'
import type { Config } from '../config.ts'
import type { AcceptedConnection } from '../http/listener.ts'
import type { TlsFiles } from '../http/node.ts'
import { openAdoption } from '../http/unix-connection.ts'
import { LossCounters } from '../registry/blob-presence.ts'
import { type SharedWriters, UploadWriters } from '../registry/upload-writers.ts'
import { DiskGate } from '../storage/disk-gate.ts'
import { joinDataFolder, type SharedFolder } from '../stores/data-folder.ts'
import { writeCompiledCodeSoon } from './compiled-code.ts'
import type { Health } from './health.ts'
import { createLog, logWarnings } from './log.ts'
import { type SharedLogOutput, threadOutput } from './log-output.ts'
import { openRequestServer } from './request-server.ts'
import { threadRegistry } from './thread-registry.ts'

/** What a worker is started with. */
export interface WorkerData {
  config: Config
  folder: SharedFolder
  /** What the tokens of its leases begin with. */
  holder: string
  /** The memory of {@link LossCounters}. */
  losses: SharedArrayBuffer
  writers: SharedWriters
  /** Its number among all workers. */
  slot: number
  tls: TlsFiles | undefined
  logOutput: SharedLogOutput
  /** Where all workers remember what hosts were logged. */
  loggedHosts: Int32Array<SharedArrayBuffer>
  /** How many connections it has, those that are on their way to it included; it takes off those that end. */
  connections: Int32Array<SharedArrayBuffer>
}

/**
 * What a worker is told: to answer a connection, which must be transferred to it, or one that it adopts; to say that it still answers; to take
 * another certificate; how the storage is, which it has asked for; to fail its readiness probe; to finish; or to end what has not finished.
 */
export type WorkerOrder =
  | { connection: AcceptedConnection; isExcess: boolean }
  | { descriptor: number; isExcess: boolean }
  | { tls: TlsFiles }
  | { health: Health }
  | 'answer'
  | 'withdraw'
  | 'close'
  | 'cut'

/** An order that concerns no connection. */
export type OrderToAll = Exclude<WorkerOrder, { isExcess: boolean }>

/** What a worker tells first: that it answers, and how. */
export interface WorkerNews {
  hasZeroCopy: boolean
}

/** What a worker tells later: that it adopted a connection, that it still answers, or asks: how the storage is. */
export type WorkerReport = { adopted: number } | 'answers' | 'health'

const { config, folder, holder, losses, writers, slot, tls, logOutput, loggedHosts, connections } =
  workerData as WorkerData
writeCompiledCodeSoon()
const log = createLog(config, threadOutput(logOutput))
logWarnings(log)
const stores = joinDataFolder(folder, new DiskGate(config.workers))
const registry = threadRegistry(stores, {
  config,
  log,
  holder,
  losses: new LossCounters(losses),
  writers: new UploadWriters(writers, slot),
})
let asked: PromiseWithResolvers<Health> | undefined
const server = await openRequestServer(
  { config, registry, log, gate: stores.gate, checkHealth, threads: config.workers, loggedHosts },
  tls,
)
const adopt = await openAdoption()

parentPort?.on('message', (order: WorkerOrder) => {
  if (order === 'answer') return parentPort?.postMessage('answers' satisfies WorkerReport)
  if (order === 'withdraw') return server.withdraw()
  if (order === 'cut') return server.cut()
  if (order === 'close') return void close()
  if ('tls' in order) return server.setTls(order.tls)
  if ('health' in order) return tellHealth(order.health)
  take('connection' in order ? order.connection : adopted(order.descriptor), order)
})
parentPort?.postMessage({ hasZeroCopy: server.hasZeroCopy } satisfies WorkerNews)

function take(connection: AcceptedConnection | undefined, options: { isExcess: boolean }): void {
  if (connection === undefined) return void Atomics.sub(connections, 0, 1)
  connection.once('close', () => Atomics.sub(connections, 0, 1))
  server.take(connection, options)
}

function adopted(descriptor: number): AcceptedConnection | undefined {
  const connection = adopt?.(descriptor)
  parentPort?.postMessage({ adopted: descriptor } satisfies WorkerReport)
  return connection
}

/** Asks once for all that ask at the same time. */
function checkHealth(): Promise<Health> {
  if (asked === undefined) {
    asked = Promise.withResolvers()
    parentPort?.postMessage('health' satisfies WorkerReport)
  }
  return asked.promise
}

function tellHealth(health: Health): void {
  asked?.resolve(health)
  asked = undefined
}

async function close(): Promise<void> {
  await server.close()
  await registry.close()
  await stores.close()
  parentPort?.close()
}
