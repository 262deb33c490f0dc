import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { PutBlob } from '../../src/metadata/blobs.ts'
import type { PutManifest } from '../../src/metadata/manifests.ts'
import type { MetadataStore } from '../../src/metadata/metadata-store.ts'
import { sqliteMetadata } from '../../src/metadata/sqlite/store.ts'
import type { RepositoryName } from '../../src/oci/reference.ts'
import { DataFolderError, openDataFolder } from '../../src/stores/data-folder.ts'
import { temporaryFolder } from '../stowage.ts'
import { blobCommand, changesOf, edge, manifestCommand, sha256, tags } from '../suites/metadata-place.ts'

const PAGE = 4096
const REPOSITORY = 'app' as RepositoryName
/** Larger than a page, so that some pages hold nothing but bytes of content. */
const SIZES = [100, 300, 9000]
const MALFORMED = /malformed|not a database|are damaged/
/** So long that only a store that never opens can exceed it. */
const PATIENCE = { timeout: 300_000 }

interface Image {
  blob: PutBlob
  manifest: PutManifest
}

/** A database of some images, all of it in the file, and what it holds. */
async function storeOf(t: TestContext, images: Image[]): Promise<Buffer> {
  const path = join(await temporaryFolder(t), 'metadata.sqlite')
  const store = await sqliteMetadata({ path })
  for (const { blob, manifest } of images) await store.commit([blob, manifest])
  await store.close()
  // A start takes in what the log has.
  const again = await sqliteMetadata({ path })
  await again.close()
  return await readFile(path)
}

function imagesOf(count: number): Image[] {
  const subject = sha256('the subject of all')
  return Array.from({ length: count }, (_, index) => {
    const bytes = randomBytes(SIZES[index % SIZES.length] ?? 0)
    const blob = blobCommand(REPOSITORY, { digest: sha256(bytes), size: bytes.length, content: { bytes } })
    const id = randomBytes(SIZES[(index + 1) % SIZES.length] ?? 0).toString('hex')
    const manifest = manifestCommand(REPOSITORY, {
      bytes: Buffer.from(JSON.stringify({ schemaVersion: 2, id })),
      edges: [edge('layer', blob.digest)],
      tags: tags(`v${index}`),
      subject,
    })
    return { blob, manifest }
  })
}

/** What each read of a store gave: what it should, bytes that don't have their digest, something else, or an error. */
type Verdict = 'right' | 'wrong bytes' | 'wrong' | 'error'

async function judge(read: () => Promise<Verdict>): Promise<Verdict> {
  return await read().catch((error: Error) => {
    assert.match(error.message, MALFORMED)
    return 'error'
  })
}

function right(isRight: boolean): Verdict {
  return isRight ? 'right' : 'wrong'
}

async function readAll(store: MetadataStore, images: Image[]): Promise<Verdict[]> {
  const verdicts: Verdict[] = []
  const read = async (work: () => Promise<Verdict>) => verdicts.push(await judge(work))
  await read(async () => right((await store.tags.list(REPOSITORY, '', 1000))?.items.length === images.length))
  await read(async () => right((await store.repositories.list('', 10)).items.join() === REPOSITORY))
  await read(async () => right((await changesOf(store, REPOSITORY)).length === 1 + 2 * images.length))
  await read(async () => {
    const subject = sha256('the subject of all')
    const query = {
      repository: REPOSITORY,
      subject,
      artifactTypes: [],
      after: '',
      limit: 1000,
      maxBytes: 4e6,
    }
    return right((await store.manifests.referrers(query)).descriptors.length === images.length)
  })
  for (const { blob, manifest } of images) {
    await read(async () => {
      const found = await store.blobs.find(REPOSITORY, blob.digest)
      if (found?.content.bytes === undefined || found.size !== blob.size) return 'wrong'
      return sha256(found.content.bytes) === blob.digest ? 'right' : 'wrong bytes'
    })
    for (const reference of [{ tag: manifest.tags[0] ?? assert.fail() }, { digest: manifest.digest }]) {
      await read(async () => {
        const found = await store.manifests.read(REPOSITORY, reference)
        if (found?.digest !== manifest.digest || found.mediaType !== manifest.mediaType) return 'wrong'
        return sha256(found.bytes) === manifest.digest ? 'right' : 'wrong bytes'
      })
    }
  }
  return verdicts
}

/** Opens a database. @returns what its reads give, or undefined if it was refused as damaged */
async function look(path: string, database: Buffer, images: Image[]): Promise<Verdict[] | undefined> {
  await writeFile(path, database)
  try {
    const store = await sqliteMetadata({ path }).catch((error: Error) => {
      assert.match(error.message, MALFORMED)
      return undefined
    })
    const verdicts = store && (await readAll(store, images))
    await store?.close()
    return verdicts
  } finally {
    for (const suffix of ['', '-wal', '-shm']) await rm(path + suffix, { force: true })
  }
}

test(
  'fault 5: a database that lost its last pages is refused, and the server says why',
  PATIENCE,
  async (t) => {
    const database = await storeOf(t, imagesOf(12))
    const data = await temporaryFolder(t)
    let cuts = 0
    for (let end = PAGE / 2; end < database.length - PAGE; end += 2.5 * PAGE) {
      const cut = database.subarray(0, end)
      await writeFile(join(data, 'metadata.sqlite'), cut)
      await assert.rejects(openDataFolder(data), (error) => {
        assert.ok(error instanceof DataFolderError)
        assert.match(error.message, /cannot be used: metadata\.sqlite is damaged \(.+\); keep a copy/)
        return true
      })
      assert.deepEqual(await readFile(join(data, 'metadata.sqlite')), cut)
      cuts++
    }
    t.diagnostic(`${cuts} cuts of ${database.length / PAGE} pages`)
  },
)

test(
  'fault 5: a database with a lost page is refused or reports an error; no name or row is silently wrong',
  PATIENCE,
  async (t) => {
    const images = imagesOf(30)
    const database = await storeOf(t, images)
    const path = join(await temporaryFolder(t), 'metadata.sqlite')
    assert.deepEqual(new Set(await look(path, database, images)), new Set(['right']))
    const seen = new Map<string, number>()
    for (let page = 0; page < database.length / PAGE; page++) {
      const damaged = Buffer.from(database)
      const place = damaged.subarray(page * PAGE, (page + 1) * PAGE)
      if (page % 2 === 0) place.fill(0)
      else randomBytes(PAGE).copy(place)
      const verdicts = await look(path, damaged, images)
      assert.ok(!verdicts?.includes('wrong'), `page ${page + 1}: ${verdicts}`)
      const what = verdicts === undefined ? 'refused' : [...new Set(verdicts)].sort().join(', ')
      seen.set(what, (seen.get(what) ?? 0) + 1)
    }
    t.diagnostic(JSON.stringify(Object.fromEntries(seen)))
    assert.ok((seen.get('refused') ?? 0) > 0 && (seen.get('error, right') ?? 0) > 0)
  },
)
