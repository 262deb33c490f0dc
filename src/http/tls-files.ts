import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import type { TlsFiles } from './node.ts'

const CHECK_MS = 2_000

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

/** Files that are reloaded periodically. */
export interface TlsFileWatch {
  /** Reloads them now. Reports a problem even if it was reported before. */
  check(): Promise<void>
  stop(): void
}

/**
 * Reads the files again every two seconds, so that it also sees files that are replaced by rename or through a link, and on file systems
 * that do not report changes. Files that can't be used are reported once; the old ones stay in use.
 */
export function watchTlsFiles(
  paths: TlsPaths,
  first: TlsFiles,
  { onChange, onProblem }: { onChange(files: TlsFiles): void; onProblem(error: unknown): void },
): TlsFileWatch {
  let used = fingerprint(first)
  let problem = ''
  const check = async () => {
    try {
      const files = await readTlsFiles(paths)
      const found = fingerprint(files)
      problem = ''
      if (found === used) return
      onChange(files)
      used = found
    } catch (error) {
      if (String(error) === problem) return
      problem = String(error)
      onProblem(error)
    }
  }
  const timer = setInterval(check, CHECK_MS)
  timer.unref()
  return {
    async check() {
      problem = ''
      await check()
    },
    stop: () => clearInterval(timer),
  }
}

function fingerprint({ cert, key }: TlsFiles): string {
  return createHash('sha256').update(cert).update('\0').update(key).digest('hex')
}
