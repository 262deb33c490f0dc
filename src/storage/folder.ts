import { constants } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { type FileOperations, systemFiles } from './file-operations.ts'

/**
 * Makes a folder and its missing parents so that they survive a power failure.
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
  // Also if all of them existed: a crash may have happened between making and syncing them.
  for (let above = dirname(resolve(path)); ; above = dirname(above)) {
    await syncFolder(above, files).catch(made ? undefined : ignoreForeign)
    if (above === top) made = false
    if (above === dirname(above)) return
  }
}

/**
 * Makes a folder and its missing parents. Node's recursive mkdir never ends if the system refuses a name in an existing folder, as below
 * /proc.
 *
 * @returns the topmost folder that was made; undefined if all existed
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
    // All of its parents exist, and still it cannot be made.
    if (first === undefined) throw error
    await files.mkdir(path, { recursive: false, mode })
    return first
  }
}

/** A folder that can't be read or synced was not made by an earlier start, which would have failed at this point. */
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
