import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import type { AcceptedConnection, Listener } from '../http/listener.ts'
import type { TlsFiles } from '../http/node.ts'
import type { LossCounters } from '../registry/blob-presence.ts'
import type { Pins } from '../registry/pins.ts'
import type { Stores } from '../stores/stores.ts'
import type { CurrentConfig } from './current-config.ts'
import type { HealthMonitor } from './health.ts'
import type { Housekeeping } from './housekeeping.ts'
import type { LogOutput } from './log-output.ts'
import type { Metrics } from './metrics.ts'
import type { ThreadCounters } from './thread-counters.ts'

/** The threads that answer requests: workers, or this thread alone. */
export interface RequestThreads {
  readonly count: number
  readonly hasZeroCopy: boolean
  /** Resolves once every one of them has answered. */
  answers(): Promise<void>
  connectionCount(): number
  take(connection: AcceptedConnection, options?: { isExcess: boolean }): void
  setTls(files: TlsFiles): void
  configure(config: Config): Promise<void>
  withdraw(): void
  close(): Promise<void>
  cut(): void
}

/** What answers requests, and what works next to that. */
export interface Work {
  threads: RequestThreads
  housekeeping: Housekeeping
}

/** Where the work logs. */
export interface Logging {
  log: Logger
  /** Where the log is written, if the server writes it itself. */
  output?: LogOutput
}

/** What the work is started with. */
export interface ServerContext {
  current: CurrentConfig
  stores: Stores
  losses: LossCounters
  pins: Pins
  health: HealthMonitor
  tls: TlsFiles | undefined
  listener: Listener
  /** Absent if nothing is measured. */
  metrics: Metrics | undefined
  /** Of the jobs, and of this thread. */
  counters: ThreadCounters | undefined
}
