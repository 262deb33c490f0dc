import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import type { Job } from '../jobs/job.ts'
import type { TlsFiles } from './node.ts'

const CHECK_MS = 2_000
const LIMIT_MS = 30_000

/** The paths of a certificate and its key. */
export interface TlsPaths {
  cert: string
  key: string
}

/** Reads a certificate and its key. @throws if a file can't be read or the two do not match */
export async function readTlsFiles({ cert, key }: TlsPaths): Promise<TlsFiles> {
  const files = { cert: await readFile(cert), key: await readFile(key) }
  createSecureContext(files)
  return files
}

/** The files can't be used; the ones before them stay in use. */
class UnusableTlsFiles extends Error {
  override readonly name = 'UnusableTlsFiles'

  constructor(cause: unknown) {
    super(
      `the new TLS certificate or key cannot be used; the previous ones stay in use: ${(cause as Error).message}`,
      { cause },
    )
  }
}

/** Reloads the files of a certificate. */
export interface CertificateReload {
  /** Reads the files every two seconds. Fails once for each problem. */
  job: Job<{ reloaded: number }>
  /** The same job, which fails even if it has already failed with the same problem. */
  again: Job<{ reloaded: number }>
}

/**
 * Makes the job that reads the files again, so that it also sees files that are replaced by rename or through a link, and on file systems
 * that do not report changes. If the files can't be used, the old ones stay in use.
 *
 * @param first the files that are in use
 * @param onChange called with the files if they have changed
 */
export function certificateReload(
  paths: TlsPaths,
  first: TlsFiles,
  onChange: (files: TlsFiles) => void,
): CertificateReload {
  let used = fingerprint(first)
  let problem = ''
  const run = async () => {
    try {
      const files = await readTlsFiles(paths)
      const found = fingerprint(files)
      problem = ''
      if (found === used) return { reloaded: 0 }
      onChange(files)
      used = found
      return { reloaded: 1 }
    } catch (error) {
      if (String(error) === problem) return { reloaded: 0 }
      problem = String(error)
      throw new UnusableTlsFiles(error)
    }
  }
  const job = { name: 'certificate', every: CHECK_MS, scope: 'process', limit: LIMIT_MS, run } as const
  const again = async () => {
    problem = ''
    return await run()
  }
  return { job, again: { ...job, run: again } }
}

function fingerprint({ cert, key }: TlsFiles): string {
  return createHash('sha256').update(cert).update('\0').update(key).digest('hex')
}
