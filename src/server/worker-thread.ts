import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import type { Config } from '../config.ts'
import type { AcceptedConnection } from '../http/listener.ts'
import type { TlsFiles } from '../http/node.ts'
import { openAdoption } from '../http/unix-connection.ts'
import { JobRunner } from '../jobs/runner.ts'
import { LossCounters } from '../registry/blob-presence.ts'
import { type SharedWriters, UploadWriters } from '../registry/upload-writers.ts'
import { joinStores } from '../stores/open-stores.ts'
import type { StoresHandle } from '../stores/stores.ts'
import { writeCompiledCodeSoon } from './compiled-code.ts'
import { CurrentConfig } from './current-config.ts'
import type { Health } from './health.ts'
import { createLog, logWarnings } from './log.ts'
import { type SharedLogOutput, threadOutput } from './log-output.ts'
import { EXTENSIONS, openRequestServer } from './request-server.ts'
import { ThreadCounters } from './thread-counters.ts'
import { threadRegistry } from './thread-registry.ts'

/** What a worker is started with. */
export interface WorkerData {
  config: Config
  stores: StoresHandle
  /** The prefix of its lease tokens. */
  holder: string
  /** The memory of {@link LossCounters}. */
  losses: SharedArrayBuffer
  writers: SharedWriters
  /** Its number among all workers. */
  slot: number
  tls: TlsFiles | undefined
  logOutput: SharedLogOutput
  /** Memory that all workers share to remember which hosts were logged. */
  loggedHosts: Int32Array<SharedArrayBuffer>
  /** How many connections it has, including those that are being passed to it. It subtracts those that end. */
  connections: Int32Array<SharedArrayBuffer>
  /** The memory of its {@link ThreadCounters}; absent if nothing is measured. */
  counters: SharedArrayBuffer | undefined
}

/**
 * A message to a worker: to answer a connection that is transferred to it or that it adopts; to confirm that it still answers; to use
 * another certificate; to use changed settings; the state of the storage or the metrics, which it has asked for; to fail its readiness probe; to finish; or
 * to end everything that has not finished.
 */
export type WorkerOrder =
  | { connection: AcceptedConnection; isExcess: boolean }
  | { descriptor: number; isExcess: boolean }
  | { tls: TlsFiles }
  | { config: Config }
  | { health: Health }
  | { metrics: string | undefined }
  | 'answer'
  | 'withdraw'
  | 'close'
  | 'cut'

/** A message that does not concern a connection. */
export type OrderToAll = Exclude<WorkerOrder, { isExcess: boolean }>

/** The first message of a worker: that it answers, and how. */
export interface WorkerNews {
  hasZeroCopy: boolean
}

/**
 * A later message of a worker: that it adopted a connection, that a job of the server has work, that it still answers, or a question about
 * the state of the storage or the metrics.
 */
export type WorkerReport = { adopted: number } | { ask: string } | 'answers' | 'health' | 'metrics'

const {
  config,
  stores: handle,
  holder,
  losses,
  writers,
  slot,
  tls,
  logOutput,
  loggedHosts,
  connections,
  counters: counterMemory,
} = workerData as WorkerData
writeCompiledCodeSoon()
const current = new CurrentConfig(config)
const output = threadOutput(logOutput)
const log = createLog(config, output)
logWarnings(log)
const stores = joinStores(handle, { threads: config.workers, log })
const counters = counterMemory && new ThreadCounters(EXTENSIONS, counterMemory)
const registry = threadRegistry(stores, {
  current,
  log,
  holder,
  losses: new LossCounters(losses),
  writers: new UploadWriters(writers, slot),
  counters,
})
const { deletion, pulls } = registry.maintenance
// This job runs where the other jobs of the store run.
deletion.onWork?.(() => parentPort?.postMessage({ ask: deletion.name } satisfies WorkerReport))
const runner = new JobRunner([pulls], { store: stores.metadata, holder, log })
/** The longest time that a request for metrics waits for the main thread. */
const METRICS_PATIENCE_MS = 5_000

let asked: PromiseWithResolvers<Health> | undefined
let askedMetrics: PromiseWithResolvers<string> | undefined
const server = await openRequestServer(
  {
    current,
    registry,
    log,
    stores,
    checkHealth,
    threads: config.workers,
    output,
    counters,
    readMetrics,
    loggedHosts,
  },
  tls,
)
const adopt = await openAdoption()

parentPort?.on('message', (order: WorkerOrder) => {
  if (order === 'answer') return parentPort?.postMessage('answers' satisfies WorkerReport)
  if (order === 'withdraw') return server.withdraw()
  if (order === 'cut') return server.cut()
  if (order === 'close') return void close()
  if ('tls' in order) return server.setTls(order.tls)
  if ('config' in order) return configure(order.config)
  if ('health' in order) return tellHealth(order.health)
  if ('metrics' in order) return tellMetrics(order.metrics)
  take('connection' in order ? order.connection : adopted(order.descriptor), order)
})
parentPort?.postMessage({ hasZeroCopy: server.hasZeroCopy } satisfies WorkerNews)
runner.start()

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

function configure(changed: Config): void {
  current.change(changed)
  log.level = changed.logLevel
}

/** Sends one question for all requests that ask at the same time. */
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

/** Sends one question for all requests that ask at the same time. Rejects if the main thread does not answer in time. */
async function readMetrics(): Promise<string> {
  if (askedMetrics === undefined) {
    askedMetrics = Promise.withResolvers()
    parentPort?.postMessage('metrics' satisfies WorkerReport)
  }
  const late = sleep(METRICS_PATIENCE_MS, undefined, { ref: false }).then(() => {
    throw new Error('the main thread did not answer')
  })
  return await Promise.race([askedMetrics.promise, late])
}

function tellMetrics(metrics: string | undefined): void {
  if (metrics === undefined) askedMetrics?.reject(new Error('the main thread could not read them'))
  else askedMetrics?.resolve(metrics)
  askedMetrics = undefined
}

async function close(): Promise<void> {
  await server.close()
  await runner.stop()
  await registry.close()
  await stores.close()
  parentPort?.close()
}
