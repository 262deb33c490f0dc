import { stat } from 'node:fs/promises'
import { databaseOf } from '../stores/data-folder.ts'
import { USAGE, UsageError } from './usage-error.ts'

/** Refuses a folder that is not a data folder. @throws UsageError */
export async function requireDataFolder(data: string): Promise<void> {
  const found = await stat(databaseOf(data)).catch((error: NodeJS.ErrnoException) => error.code)
  if (found === 'ENOENT' || found === 'ENOTDIR')
    throw new UsageError(`${data} is not a data folder: there is no metadata.sqlite in it`, USAGE)
}
