import { unlink } from 'node:fs/promises'
import { readAndUse } from '../metadata/sqlite/quiet-reading.ts'
import { KeyList } from '../metadata/sqlite/stored-contents.ts'
import { listBlobFiles, pathOfBlob, statFile } from '../storage/blob-files.ts'

/** Files in a folder of blobs that no row of the database references. */
export interface Orphans {
  files: number
  bytes: number
  /** How many of them are younger than an hour; those are never deleted. */
  young: number
  deleted: number
  /** The size of the files that were deleted, in bytes. */
  freed: number
  /** Files that are not blobs at all, such as links. They are never changed. */
  foreign: number
}

/** Where to look for orphans. */
export interface OrphanSearch {
  /** Path of the database. */
  database: string
  /** The folder of blobs; the caller must know that it belongs to the database. */
  root: string
  /** Whether they are deleted, and not only counted. */
  isToDelete: boolean
}

/** A file that was written to since then is kept. */
const MIN_AGE_MS = 3_600_000
const PAGE = 1000

/**
 * Looks for files that no row references, and deletes them on request, whether or not a server is running.
 *
 * A new file is never mistaken for an orphan: a server commits a key to a row before it writes the first byte under it (`openUpload`,
 * `reserveKey`), and later moves the key to the rows of contents or of garbage in one transaction. So if a file is listed first, then
 * looked up in one state of the database, and not referenced there, it is an orphan. No row will reference it later, since keys are random
 * and each is made for one upload. The grace period of an hour covers cases outside of this reasoning, such as a restore in progress.
 *
 * Memory does not grow with the number of files: SQLite keeps their names in a temporary file.
 */
export async function findOrphans({ database, root, isToDelete }: OrphanSearch): Promise<Orphans> {
  return await readAndUse(
    database,
    async (connection) => {
      const keys = new KeyList(connection)
      const foreign = await listInto(keys, root)
      keys.dropNamed()
      return { keys, foreign }
    },
    async ({ keys, foreign }) => ({ ...(await lookAtEach(keys, root, isToDelete)), foreign }),
  )
}

/** @returns how many files are not those of blobs */
async function listInto(keys: KeyList, root: string): Promise<number> {
  let foreign = 0
  for await (const { key } of listBlobFiles(root)) {
    if (key === undefined) foreign++
    else keys.add(key)
  }
  return foreign
}

async function lookAtEach(
  keys: KeyList,
  root: string,
  isToDelete: boolean,
): Promise<Omit<Orphans, 'foreign'>> {
  const orphans = { files: 0, bytes: 0, young: 0, deleted: 0, freed: 0 }
  const youngest = Date.now() - MIN_AGE_MS
  for (let page = keys.page('', PAGE); page.length > 0; page = keys.page(page.at(-1) ?? '', PAGE)) {
    for (const key of page) {
      const path = pathOfBlob(root, key)
      const found = await statFile(path)
      if (found === undefined) continue
      orphans.files++
      orphans.bytes += found.size
      if (found.mtimeMs > youngest) orphans.young++
      else if (isToDelete) {
        await unlink(path)
        orphans.deleted++
        orphans.freed += found.size
      }
    }
  }
  return orphans
}
