import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
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
  const { createSecureContext } = await import('node:tls')
  createSecureContext(files)
  return files
}

/** The files can't be used; the ones before them stay in use. */
class UnusableTlsFiles extends Error {
  override readonly name = 'UnusableTlsFiles'

  constructor(cause: unknown) {
    super('the new TLS certificate or key cannot be used; the previous ones stay in use', { cause })
  }
}

/**
 * Makes the job that reads the files again, so that it also sees files that are replaced by rename or through a link, and on file systems
 * that do not report changes. While the files can't be used, it fails, and the old ones stay in use.
 *
 * @param first the files that are in use
 * @param onChange called with the files if they have changed
 */
export function certificateJob(
  paths: TlsPaths,
  first: TlsFiles,
  onChange: (files: TlsFiles) => void,
): Job<{ reloaded: number }> {
  let used = fingerprint(first)
  return {
    name: 'certificate',
    every: CHECK_MS,
    scope: 'process',
    limit: LIMIT_MS,
    async run() {
      const files = await readTlsFiles(paths).catch((error: unknown) => {
        throw new UnusableTlsFiles(error)
      })
      const found = fingerprint(files)
      if (found === used) return { reloaded: 0 }
      onChange(files)
      used = found
      return { reloaded: 1 }
    },
  }
}

function fingerprint({ cert, key }: TlsFiles): string {
  return createHash('sha256').update(cert).update('\0').update(key).digest('hex')
}
