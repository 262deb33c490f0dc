import type { MetadataStore } from '../metadata/metadata-store.ts'
import { findProblem, type Soundness } from '../metadata/sqlite/soundness.ts'
import type { BlobStore } from '../storage/blob-store.ts'
import type { StoresLog } from './stores.ts'

/** What was found when a data folder was opened. */
export interface CheckedAtStart {
  /** How far the database was checked. */
  soundness: Soundness
  /** Whether the folder of blobs existed. If it is not mounted, the server waits for it and makes nothing in its place. */
  hasBlobs: boolean
}

/** What is checked. */
interface CheckedFolder {
  /** The path of the database. */
  database: string
  metadata: MetadataStore
  blobs: BlobStore
  checked: CheckedAtStart
}

const DATABASE_DAMAGED =
  'metadata.sqlite is damaged; stop the server, keep a copy of the folder, and restore a backup'
const FILES_MISSING =
  'the files of some blobs are missing; these blobs are treated as unknown until they are pushed again'

/**
 * Continues the check of the database if the start had no time for all of it, and looks for the files of blobs. If the last run did not end
 * in good order, it looks for the files of all blobs, otherwise only of the first few thousand. It logs what it finds.
 *
 * @param signal ends it early; only what was found until then is logged
 */
export async function checkInBackground(
  { database, metadata, blobs, checked: { soundness, hasBlobs } }: CheckedFolder,
  log: StoresLog,
  signal: AbortSignal,
): Promise<void> {
  const problem = soundness === 'in part' ? await findProblem(database, signal) : undefined
  if (problem !== undefined) log.error({ problem }, DATABASE_DAMAGED)
  if (!hasBlobs) return
  const pages = soundness === 'trusted' ? SAMPLE_PAGES : Number.POSITIVE_INFINITY
  const lost = await countLost({ metadata, blobs }, pages, signal)
  if (lost > 0) log.warn({ lost }, FILES_MISSING)
}

const SAMPLE_PAGES = 10
const SAMPLE_PAGE_SIZE = 1000

/**
 * Checks the file of each blob. If a file is missing, the blob may have been deleted or pushed again in the meantime, so its key is looked
 * up again.
 */
async function countLost(
  { metadata, blobs }: Pick<CheckedFolder, 'metadata' | 'blobs'>,
  pages: number,
  signal: AbortSignal,
): Promise<number> {
  let lost = 0
  for (let page = 0, after: number | undefined = 0; page < pages && after !== undefined; page++) {
    const { stored, next } = await metadata.contents.listStored(after, SAMPLE_PAGE_SIZE)
    for (const { key, size, digest } of stored) {
      if (signal.aborted) return lost
      const found = await blobs.size(key)
      if (found !== undefined && found >= size) continue
      const [again] = await metadata.contents.stored([digest])
      if (again?.key === key) lost++
    }
    after = next
  }
  return lost
}
