import { randomBytes } from 'node:crypto'
import type { Logger } from 'pino'
import type { TlsFiles } from '../http/node.ts'
import { certificateJob, type TlsPaths } from '../http/tls-files.ts'
import { JobRunner } from '../jobs/runner.ts'
import type { JobState } from '../jobs/slot.ts'
import type { ServerContext } from './work.ts'

/** The certificate that a server uses, and the files that it is from. */
export interface WatchedCertificate {
  paths: TlsPaths
  files: TlsFiles
  /** Uses other files for new connections. */
  onChange(files: TlsFiles): void
}

/** The job that reads the files of a certificate again. */
export interface CertificateWatch {
  /** Reads the files now. A problem is logged. */
  reload(): Promise<void>
  states(): JobState[]
  stop(): Promise<void>
}

/** Without a certificate there is nothing to reload. */
export const NO_CERTIFICATE: CertificateWatch = {
  reload: async () => {},
  states: () => [],
  stop: async () => {},
}

/** Begins to read the files of a certificate from time to time, on the thread that hands them to the others. */
export function watchCertificate(
  { paths, files, onChange }: WatchedCertificate,
  { stores, metrics }: Pick<ServerContext, 'stores' | 'metrics'>,
  log: Logger,
): CertificateWatch {
  const job = certificateJob(paths, files, (young) => {
    onChange(young)
    log.info('the TLS certificate was replaced')
  })
  const runner = new JobRunner([job], {
    store: stores.metadata,
    holder: randomBytes(8).toString('hex'),
    log,
    onRun: (run) => metrics?.countRun(run),
  })
  runner.start()
  return {
    async reload() {
      // The runner has logged the problem.
      await runner.run(job).catch(() => {})
    },
    states: () => runner.states(),
    stop: () => runner.stop(),
  }
}
