import { resolve } from 'node:path'
import {
  type Backup,
  BackupError,
  BackupTargetError,
  type Copied,
  makeBackup,
} from '../maintenance/backup.ts'
import { describeLost } from '../maintenance/lost-blob.ts'
import { refuseUnfinished } from '../stores/data-folder.ts'
import { formatBytes } from './bytes.ts'
import { holdFolder } from './folder-hold.ts'
import { openProgress } from './progress.ts'
import { requireDataFolder } from './required-folder.ts'
import { readFolderSettings } from './setting-sources.ts'
import { USAGE, UsageError } from './usage-error.ts'

/** The options of `stowage backup`. */
export interface BackupOptions {
  to: string
  data?: string
  adminSocket?: string
  json?: boolean
}

/** Makes a backup, and reports on it. @throws UsageError */
export async function runBackup(options: BackupOptions): Promise<void> {
  const { data, adminSocket } = await readFolderSettings({ flags: { ...options }, environment: process.env })
  const to = resolve(options.to)
  await requireDataFolder(data)
  await refuseUnfinished(data)
  // Only the owner may read the new files.
  process.umask(0o077)
  const started = performance.now()
  const progress = openProgress()
  const hold = await holdFolder(data, adminSocket)
  try {
    const backup = await makeBackup({
      data,
      to,
      isServed: hold.isServed,
      onLost: (lost) => progress.say(`not in the backup: ${describeLost(lost)}`),
      onProgress: (copied) => progress.show(() => describeCopied(copied)),
    })
    tell(backup, { to, seconds: (performance.now() - started) / 1000, isJson: options.json === true })
  } catch (error) {
    if (!(error instanceof BackupError)) throw error
    throw new UsageError(error.message, error instanceof BackupTargetError ? USAGE : 1)
  } finally {
    progress.close()
    hold.release()
  }
}

function tell(
  backup: Backup,
  { to, seconds, isJson }: { to: string; seconds: number; isJson: boolean },
): void {
  const { lost } = backup
  const text = isJson ? JSON.stringify({ to, ...backup, seconds }) : describe(backup, to, seconds)
  process.stdout.write(`${text}\n`)
  if (lost === 0) return
  process.stderr.write(
    `stowage: ${lost} ${lost === 1 ? 'blob is' : 'blobs are'} not in the backup; push them again, then make another\n`,
  )
  process.exitCode = 1
}

function describe(backup: Backup, to: string, seconds: number): string {
  const { databaseBytes, uploads } = backup
  const left =
    uploads === 0 ? '' : `; ${uploads} open ${uploads === 1 ? 'upload is' : 'uploads are'} not in it`
  return `backed up ${describeCopied(backup)} and a database of ${formatBytes(databaseBytes)} to ${to} in ${seconds.toFixed(1)} s${left}`
}

function describeCopied({ blobs, bytes }: Copied): string {
  return `${blobs} ${blobs === 1 ? 'blob' : 'blobs'} with ${formatBytes(bytes)}`
}
