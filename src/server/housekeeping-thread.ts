import { parentPort, workerData } from 'node:worker_threads'
import type { Config } from '../config.ts'
import type { JobRun } from '../metadata/jobs.ts'
import { LossCounters } from '../registry/blob-presence.ts'
import { Pins } from '../registry/pins.ts'
import type { StoreFailure } from '../registry/store-error.ts'
import { joinStores } from '../stores/open-stores.ts'
import type { StoresHandle } from '../stores/stores.ts'
import { writeCompiledCodeSoon } from './compiled-code.ts'
import { CurrentConfig } from './current-config.ts'
import { type Housekeeping, startHousekeeping } from './housekeeping.ts'
import { createLog, logWarnings } from './log.ts'
import { type SharedLogOutput, threadOutput } from './log-output.ts'
import { threadRegistry } from './thread-registry.ts'

/** What the thread is started with. */
export interface HousekeepingData {
  config: Config
  stores: StoresHandle
  /** The holder of the leases of its jobs. */
  holder: string
  /** The memory of {@link LossCounters}. */
  losses: SharedArrayBuffer
  /** The memory of {@link Pins}. */
  pins: SharedArrayBuffer
  /** The memory of the jumps of the clock. */
  jumps: SharedArrayBuffer
  logOutput: SharedLogOutput
}

/** What the thread answers. */
export type HousekeepingCalls = Pick<Housekeeping, 'collect' | 'states' | 'runs'>

/** A call of the thread, with a number for the answer. */
export type HousekeepingCall = {
  [Name in keyof HousekeepingCalls]: {
    id: number
    call: Name
    argument: Parameters<HousekeepingCalls[Name]>[0]
  }
}[keyof HousekeepingCalls]

/** A message to the thread: a call, a job that has work, changed settings, or that it must end. */
export type HousekeepingOrder = HousekeepingCall | { ask: string } | { config: Config } | 'close'

/** The answer to a call. */
export type HousekeepingAnswer = { id: number } & ({ result: unknown } | { error: unknown })

/** A message of the thread: an answer, the run of a job, or a failure of a store. The first one says that the thread has started. */
export type HousekeepingReport = HousekeepingAnswer | { run: JobRun } | { failure: StoreFailure } | 'started'

const { config, stores: handle, holder, losses, pins, jumps, logOutput } = workerData as HousekeepingData
writeCompiledCodeSoon()
const current = new CurrentConfig(config)
const log = createLog(config, threadOutput(logOutput))
logWarnings(log)
const stores = joinStores(handle, { threads: config.workers, log })
const counters = { countFailure: (failure: StoreFailure) => report({ failure }) }
const registry = threadRegistry(stores, { current, log, losses: new LossCounters(losses), counters })
const onRun = (run: JobRun) => report({ run })
const context = { stores, registry, log, pins: new Pins(pins), jumps, holder, onRun }
const housekeeping = startHousekeeping(current, context)

parentPort?.on('message', (order: HousekeepingOrder) => {
  if (order === 'close') return void close()
  if ('ask' in order) return housekeeping.ask(order.ask)
  if ('config' in order) return configure(order.config)
  void answer(order)
})
report('started')

function report(message: HousekeepingReport): void {
  parentPort?.postMessage(message)
}

async function answer(order: HousekeepingCall): Promise<void> {
  const { id } = order
  const answered = await execute(order).then(
    (result) => ({ id, result }),
    (error: unknown) => ({ id, error }),
  )
  report(answered)
}

async function execute({ call, argument }: HousekeepingCall): Promise<unknown> {
  if (call === 'collect') return await housekeeping.collect(argument)
  if (call === 'states') return await housekeeping.states(argument)
  return await housekeeping.runs(argument)
}

function configure(changed: Config): void {
  housekeeping.configure(changed)
  log.level = changed.logLevel
}

async function close(): Promise<void> {
  await housekeeping.close()
  await registry.close()
  await stores.close()
  parentPort?.close()
}
