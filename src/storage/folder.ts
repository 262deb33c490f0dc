import { constants } from 'node:fs'
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
  const first = await files.mkdir(path, { recursive: true, mode })
  if (first === undefined) return
  const top = dirname(resolve(first))
  for (let made = resolve(path); made !== top; made = dirname(made)) await syncFolder(dirname(made), files)
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
