import { constants } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { type FileOperations, systemFiles } from './file-operations.ts'

/**
 * Makes a folder and what is missing above it, so that they outlast a power failure.
 *
 * @param mode of each folder that is made
 */
export async function makeFolder(
  path: string,
  mode: number,
  files: FileOperations = systemFiles,
): Promise<void> {
  const first = await makeMissing(resolve(path), mode, files)
  const top = dirname(resolve(first ?? path))
  let made = first !== undefined
  // Also where all was there: a crash may have come between making and syncing it.
  for (let above = dirname(resolve(path)); ; above = dirname(above)) {
    await syncFolder(above, files).catch(made ? undefined : ignoreForeign)
    if (above === top) made = false
    if (above === dirname(above)) return
  }
}

/**
 * Makes a folder and what is missing above it. Node's own way of doing so never ends where the system refuses a name in a folder that is
 * there, as below /proc.
 *
 * @returns the topmost folder that was made; undefined if all were there
 */
async function makeMissing(path: string, mode: number, files: FileOperations): Promise<string | undefined> {
  try {
    await files.mkdir(path, { recursive: false, mode })
    return path
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return undefined
    if (code !== 'ENOENT' || path === dirname(path)) throw error
    const first = await makeMissing(dirname(path), mode, files)
    // All above it is there, and still it cannot be made.
    if (first === undefined) throw error
    await files.mkdir(path, { recursive: false, mode })
    return first
  }
}

/** What can't be read or synced was not made by an earlier start, which would have failed at it. */
const FOREIGN = ['EACCES', 'EPERM', 'EINVAL', 'ENOTSUP', 'EROFS']

function ignoreForeign(error: unknown): void {
  if (!FOREIGN.includes((error as NodeJS.ErrnoException).code ?? '')) throw error
}

/** Makes the names in a folder durable. */
export async function syncFolder(path: string, files: FileOperations = systemFiles): Promise<void> {
  const folder = await files.open(path, constants.O_RDONLY)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
