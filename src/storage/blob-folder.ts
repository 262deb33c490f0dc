import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { BlobsUnavailableError } from './blob-store.ts'

/** Error codes for a file that is absent or cannot be read while the disk itself works. */
const ABSENT = 'ENOENT'
const FORBIDDEN = 'EACCES'

/** The folder of a blob store: its path, and the identity that distinguishes it from another folder in its place. */
export interface BlobFolder {
  root: string
  /** 32 lowercase hexadecimal digits. */
  identity: string
}

/** The path of the mark: an empty folder whose name is the identity of the blob folder. It is made with the other folders at the first start. */
export function markOf({ root, identity }: BlobFolder): string {
  return join(root, `identity-${identity}`)
}

/** Whether the folder is the one that was marked, and not an empty mount point or another disk. */
export async function isMarked(folder: BlobFolder): Promise<boolean> {
  const found = await stat(markOf(folder)).catch(() => undefined)
  return found?.isDirectory() === true
}

/** Fails unless the marked folder exists. @throws BlobsUnavailableError */
export async function requireMark(folder: BlobFolder, cause?: unknown): Promise<void> {
  if (await isMarked(folder)) return
  throw new BlobsUnavailableError(
    `${folder.root} is not the blob folder of this database; is its disk mounted?`,
    {
      cause,
    },
  )
}

/**
 * Decides what an error of opening a file for reading means.
 *
 * @returns if only this file is absent or may not be read, and the folder is fine
 * @throws BlobsUnavailableError if the folder or its disk is unavailable
 */
export async function requireOneUnreadable(folder: BlobFolder, path: string, error: unknown): Promise<void> {
  const { code } = error as NodeJS.ErrnoException
  if (code !== ABSENT && code !== FORBIDDEN) {
    throw new BlobsUnavailableError(`a file of ${folder.root} cannot be opened`, { cause: error })
  }
  await requireMark(folder, error)
  if (code === ABSENT) return
  // If not even the entry of the file can be read, this process has no access to the folder and everything in it.
  await stat(path).catch((cause: unknown) => {
    if ((cause as NodeJS.ErrnoException).code === ABSENT) return
    throw new BlobsUnavailableError(`a folder in ${folder.root} cannot be read`, { cause })
  })
}
