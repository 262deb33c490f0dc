import { randomBytes } from 'node:crypto'
import type { Logger } from 'pino'
import type { TlsFiles } from '../http/node.ts'
import { certificateJob, type TlsPaths } from '../http/tls-files.ts'
import type { Job } from '../jobs/job.ts'
import { JobRunner, type RunnerOptions } from '../jobs/runner.ts'
import type { LocalRegistry } from '../registry/registry.ts'
import { Sweeper } from '../registry/sweeper.ts'
import type { Stores } from '../stores/stores.ts'
import type { CurrentConfig } from './current-config.ts'

/** The jobs of a server. */
export interface Housekeeping {
  runner: JobRunner
  sweeper: Sweeper
  /** Reads the files of the certificate now. A problem is logged. */
  reload(): Promise<void>
}

/** The certificate that a server uses, and the files that it is from. */
export interface WatchedCertificate {
  paths: TlsPaths
  files: TlsFiles
  /** Uses other files for new connections. */
  onChange(files: TlsFiles): void
}

/** What the jobs of a server work on. */
export interface HousekeepingContext {
  registry: LocalRegistry
  stores: Stores
  certificate: WatchedCertificate | undefined
  /** Called after each run of a job. */
  onRun?: RunnerOptions['onRun']
}

/** Makes the jobs of a server, and what runs them. They begin with `runner.start()`. */
export function makeHousekeeping(
  current: CurrentConfig,
  log: Logger,
  { registry, stores, certificate, onRun }: HousekeepingContext,
): Housekeeping {
  const { maintenance } = registry
  const sweeper = new Sweeper(maintenance, log, () => hasLessThan(stores, current.value.lowSpace))
  const reload = certificate && reloadJob(certificate, log)
  const { counts, deletion, pulls } = maintenance
  const jobs = [sweeper.job, counts, deletion, pulls, ...(reload ? [reload] : [])]
  const runner = new JobRunner(jobs, {
    store: stores.metadata,
    holder: randomBytes(8).toString('hex'),
    log,
    ...(onRun && { onRun }),
  })
  return {
    runner,
    sweeper,
    async reload() {
      // The runner has logged the problem.
      if (reload !== undefined) await runner.run(reload).catch(() => {})
    },
  }
}

function reloadJob({ paths, files, onChange }: WatchedCertificate, log: Logger): Job<{ reloaded: number }> {
  return certificateJob(paths, files, (young) => {
    onChange(young)
    log.info('the TLS certificate was replaced')
  })
}

/** Whether the stores can take less than a limit; always false without a limit. */
async function hasLessThan(stores: Stores, limit: number | undefined): Promise<boolean> {
  if (limit === undefined) return false
  const available = await stores.availableBytes()
  return available !== undefined && available < limit
}
