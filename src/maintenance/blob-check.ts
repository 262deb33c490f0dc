import type { DatabaseSync } from 'node:sqlite'
import { readQuietly } from '../metadata/sqlite/quiet-reading.ts'
import {
  holdersOf,
  inlineBytes,
  type ListedContent,
  listContents,
  placeOf,
} from '../metadata/sqlite/stored-contents.ts'
import { type Digest, parseHashAlgorithm } from '../oci/digest.ts'
import { createHasher } from '../registry/hasher.ts'
import { chunksOf, closeBytes, openBytes } from '../registry/stored-bytes.ts'
import { type BlobFolder, isMarked } from '../storage/blob-folder.ts'
import { type BlobBytes, type BlobStore, isKey } from '../storage/blob-store.ts'
import { blobStoreAt } from '../storage/file-system.ts'
import type { CheckedBlobs, CheckRequest } from './check.ts'
import { inParallel } from './parallel.ts'

/** The blobs of a folder, and what to do with them. */
export interface BlobCheck extends Pick<CheckRequest, 'isFull' | 'onLost' | 'onProgress'> {
  /** Path of the database. */
  database: string
  folder: BlobFolder
}

const PAGE = 1000
const LOOKS_AT_ONCE = 16
/** While one blob is hashed, the next is read. */
const HASHES_AT_ONCE = 2

/** Checks the bytes of all contents of the database. @param checked updated with the counts */
export async function checkBlobs(check: BlobCheck, checked: CheckedBlobs): Promise<void> {
  const { database, folder, isFull, onLost, onProgress } = check
  const store = blobStoreAt(folder)
  const tell = async (digest: Digest, problem: string) => {
    checked.lost++
    onLost({
      digest,
      problem,
      repositories: await readQuietly(database, (opened) => holdersOf(opened, digest)),
    })
  }
  const pages = pagesOf(check, tell)
  await inParallel(pages, isFull ? HASHES_AT_ONCE : LOOKS_AT_ONCE, async (content) => {
    const problem = await problemOfPlace(store, check, content)
    if (problem !== undefined) return await tell(content.digest, problem)
    checked.blobs++
    checked.bytes += content.size
    onProgress(checked)
  })
}

type Placed = Pick<ListedContent, 'digest' | 'size'> & { key: string }

/** All contents that are stored under a key. Contents that are stored in their rows are hashed during the iteration, one at a time. */
async function* pagesOf(
  { database, isFull }: BlobCheck,
  tell: (digest: Digest, problem: string) => Promise<void>,
): AsyncGenerator<Placed> {
  for (let after: number | undefined = 0; after !== undefined; ) {
    const from: number = after
    const { contents, damaged } = await readQuietly(database, async (opened) => {
      const listed = listContents(opened, from, PAGE)
      return { contents: listed, damaged: isFull ? await damagedRows(opened, listed) : [] }
    })
    for (const { digest } of damaged) await tell(digest, 'its bytes in the database do not match its digest')
    for (const { key, ...content } of contents) if (key !== undefined) yield { ...content, key }
    after = contents.at(-1)?.id
  }
}

async function damagedRows(database: DatabaseSync, contents: ListedContent[]): Promise<ListedContent[]> {
  const damaged: ListedContent[] = []
  for (const content of contents) {
    const bytes = content.key === undefined ? inlineBytes(database, content.id) : undefined
    if (bytes !== undefined && !(await hasDigest({ type: 'bytes', bytes }, content.digest)))
      damaged.push(content)
  }
  return damaged
}

/** The problem of a blob, if it is confirmed when the blob is looked up again: it may have been deleted or pushed again in the meantime. */
async function problemOfPlace(
  store: BlobStore,
  { database, folder, isFull }: BlobCheck,
  first: Placed,
): Promise<string | undefined> {
  for (let content = first; ; ) {
    const problem = await problemOf(store, content, isFull).catch(async (error: unknown) => {
      if (!(await isMarked(folder))) throw error
      return `its file cannot be read (${codeOf(error)})`
    })
    if (problem === undefined) return undefined
    const now = await readQuietly(database, (opened) => placeOf(opened, content.digest))
    if (now === undefined) return undefined
    if (now.key === content.key) return problem
    content = now
  }
}

async function problemOf(
  store: BlobStore,
  { key, size, digest }: Placed,
  isFull: boolean,
): Promise<string | undefined> {
  if (!isKey(key)) return 'the key of its file is malformed'
  const found = await store.size(key)
  if (found === undefined) return 'its file is missing, or this user cannot read it'
  if (found !== size) return `its file has ${found} bytes instead of ${size}`
  if (!isFull) return undefined
  const bytes = await openBytes(store, { key, range: { start: 0, end: size - 1 } })
  if (bytes === undefined) return 'its file is missing, or this user cannot read it'
  return (await hasDigest(bytes, digest)) ? undefined : 'its bytes do not match its digest'
}

/** Hashes bytes, and closes them. One whose algorithm is unknown cannot be judged. */
async function hasDigest(bytes: BlobBytes, digest: Digest): Promise<boolean> {
  try {
    const colon = digest.indexOf(':')
    const algorithm = parseHashAlgorithm(digest.slice(0, colon))
    if (algorithm === undefined) return true
    const hasher = await createHasher([algorithm])
    for await (const chunk of chunksOf(bytes)) hasher.update(chunk)
    return hasher.digests()[algorithm] === digest.slice(colon + 1)
  } finally {
    await closeBytes(bytes)
  }
}

function codeOf(error: unknown): string {
  const { code, cause, message } = error as NodeJS.ErrnoException
  const inner = (cause as NodeJS.ErrnoException | undefined)?.code
  return inner ?? code ?? message
}
