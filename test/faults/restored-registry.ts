import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { MetadataStore } from '../../src/metadata/metadata-store.ts'
import { memoryMetadata } from '../../src/metadata/sqlite/store.ts'
import type { StoreClock } from '../../src/metadata/sqlite/store-clock.ts'
import type { BlobStore } from '../../src/storage/blob-store.ts'
import { fileSystemBlobStore } from '../../src/storage/file-system.ts'
import { digestOf } from '../content.ts'
import { stoppedClock } from '../stopped-clock.ts'
import { type AskedCommit, blobRegistry, LARGE } from './blob-registry.ts'
import { type BlobFact, CarefulClient, type UploadFact } from './careful-client.ts'
import type { DiskImage } from './power-loss.ts'
import { recordedDisk } from './recorded-disk.ts'

/** What is left after a power loss, and what clients knew before it. */
export interface Remains {
  image: DiskImage
  /** Those that the metadata store holds. */
  commits: readonly AskedCommit[]
  blobs: ReadonlyMap<string, BlobFact>
  uploads: ReadonlyMap<string, UploadFact>
}

/** What stays the same whenever the power fails. */
export interface Setting {
  /** The folder that the images speak of. */
  root: string
  /** The secret of the metadata store, by which it knows its uploads. */
  secret: Uint8Array
  /** All blobs that were pushed, in whole or in part. */
  contents: readonly Uint8Array[]
}

/** The root and the 256 folders in it. */
const ALL_FOLDERS = 257
/** A restart ends all leases; here they have run out. */
const LEASES_ARE_OVER_MS = 180_000

/** A place where a registry is started on what a power loss left, once after the other. */
export class RestoredRegistry {
  readonly #setting: Setting
  readonly #root: string
  #blobs: BlobStore | undefined
  #files: string[] = []

  /** @param root a folder that is not there yet */
  constructor(setting: Setting, root: string) {
    this.#setting = setting
    this.#root = root
  }

  /** Fails unless all that clients knew is so, uploads go on, and nothing stays that nothing leads to. */
  async hold(remains: Remains): Promise<void> {
    const blobs = await this.#restore(remains.image)
    const clock = stoppedClock()
    const metadata = await replay(remains.commits, { secret: this.#setting.secret, clock })
    try {
      const registry = blobRegistry({ blobs, metadata, clock })
      registry.pass(LEASES_ARE_OVER_MS)
      const client = new CarefulClient(registry)
      await this.#pullAll(client, remains)
      for (const upload of remains.uploads.values()) await continueUpload(client, upload)
      await registry.sweepOut()
      const there = await this.#pullAll(client, remains)
      assert.deepEqual(client.refusals, [])
      this.#files = filesIn(this.#root)
      assert.equal(this.#files.length, there, 'files that nothing leads to stay')
    } finally {
      await metadata.close()
    }
  }

  async #restore({ folders, files }: DiskImage): Promise<BlobStore> {
    const place = (path: string) => join(this.#root, relative(this.#setting.root, path))
    for (const path of this.#files) rmSync(path)
    // Opening a store whose folders are all there changes nothing, so that is done once.
    if (this.#blobs === undefined || folders.length < ALL_FOLDERS) {
      rmSync(this.#root, { recursive: true, force: true })
      for (const path of folders) mkdirSync(place(path), { recursive: true })
      this.#blobs = await fileSystemBlobStore({ root: this.#root, files: recordedDisk() })
    }
    for (const [path, bytes] of files) writeFileSync(place(path), bytes)
    return this.#blobs
  }

  /** Pulls all blobs. @returns how many there are */
  async #pullAll(client: CarefulClient, { blobs }: Remains): Promise<number> {
    let count = 0
    for (const bytes of this.#setting.contents) {
      const found = await client.pulls(bytes)
      const told = blobs.get(digestOf(bytes))?.state
      if (told === 'there') assert.ok(found, 'a blob that was answered with 201 is gone')
      if (told === 'gone') assert.ok(!found, 'a blob that was deleted is back')
      if (found) count++
    }
    return count
  }
}

function filesIn(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name))
}

async function replay(
  commits: readonly AskedCommit[],
  { secret, clock }: { secret: Uint8Array; clock: StoreClock },
): Promise<MetadataStore> {
  const metadata = memoryMetadata(clock)
  for (const { at, commands } of commits) {
    clock.set(at)
    await metadata.commit(commands)
  }
  return { ...metadata, secret }
}

/** An upload goes on from no less than what the client was told, to the end. */
async function continueUpload(
  client: CarefulClient,
  { location, bytes, offset, state }: UploadFact,
): Promise<void> {
  if (state === 'ended') return
  const found = await client.offsetOf(location, bytes)
  if (found === undefined) {
    assert.equal(state, 'closing', 'an upload is gone')
    assert.ok(await client.pulls(bytes), 'an upload was closed, but its blob is not there')
    return
  }
  assert.ok(found >= offset, `an upload has ${found} bytes, but ${offset} were answered`)
  assert.ok(await client.finish(location, bytes, LARGE), 'an upload can not be closed')
  assert.ok(await client.pulls(bytes), 'an upload was closed, but its blob is not there')
}
