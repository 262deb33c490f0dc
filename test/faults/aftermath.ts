import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { Command } from '../../src/metadata/command.ts'
import type { MetadataStore } from '../../src/metadata/metadata-store.ts'
import { sqliteMetadata } from '../../src/metadata/sqlite/store.ts'
import type { BlobStore } from '../../src/storage/blob-store.ts'
import { fileSystemBlobStore } from '../../src/storage/file-system.ts'
import { digestOf } from '../content.ts'
import { blobRegistry, type CommitNote, LARGE } from './blob-registry.ts'
import { type BlobFact, CarefulClient, type Fact, type UploadFact } from './careful-client.ts'
import { type DiskImage, PowerLoss } from './power-loss.ts'
import { type LogEntry, recordedDisk } from './recorded-disk.ts'

/** What is noted between the operations on a disk. */
export type Note = CommitNote | Fact

/** What happened to a registry. */
export interface Recording {
  readonly log: readonly LogEntry<Note>[]
  /** The folder of its blobs. */
  root: string
  /** The secret of its metadata store, by which it knows its uploads. */
  secret: Uint8Array
  /** All blobs that were pushed, in whole or in part. */
  contents: readonly Uint8Array[]
}

/** What was known when the power failed. */
interface Moment {
  commits: (readonly Command[])[]
  /** Whether the last of these was not answered yet: it may have happened or not. */
  outstanding: boolean
  blobs: Map<string, BlobFact>
  uploads: Map<string, UploadFact>
  /** All of this as text. */
  known: string
}

/** A lease that was held is gone after a restart; here it has run out. */
/** The root and the 256 folders in it. */
const ALL_FOLDERS = 257
/** So many of them look alike: every so many-th is looked at. */
const FOLDER_SAMPLE = 32

const LEASES_ARE_OVER_MS = 180_000

/** Starts a registry anew on what a power loss left, and holds it to what clients were told. */
export class Aftermath {
  readonly #recording: Recording
  readonly #log: readonly LogEntry<Note>[]
  readonly #loss: PowerLoss
  readonly #root: string
  #store: BlobStore | undefined
  readonly #seen = new Set<string>()

  /** @param folder an empty one */
  constructor(recording: Recording, folder: string) {
    this.#recording = recording
    this.#log = recording.log
    this.#loss = new PowerLoss(recording.log)
    this.#root = join(folder, 'blobs')
  }

  /** How many different states were looked at. */
  get checked(): number {
    return this.#seen.size
  }

  /** Checks what a power loss may leave after each entry of the log. */
  async checkEach(): Promise<void> {
    for (let length = 0; length <= this.#log.length; length++) await this.#check(length)
  }

  /** Checks what a power loss may leave after each answer that a blob is stored, and at the end. */
  async checkAnswers(): Promise<void> {
    for (const [index, entry] of this.#log.entries()) {
      const isAnswer = entry.type === 'note' && entry.note.type === 'blob' && entry.note.state === 'there'
      if (isAnswer) await this.#check(index + 1)
    }
    await this.#check(this.#log.length)
  }

  async #check(length: number): Promise<void> {
    if (this.#log[length]?.type === 'mkdir' && length % FOLDER_SAMPLE !== 0) return
    const moment = momentAfter(this.#log.slice(0, length))
    for (const image of this.#loss.imagesAfter(length)) {
      await this.#checkOnce(image, moment, moment.commits)
      if (moment.outstanding) await this.#checkOnce(image, moment, moment.commits.slice(0, -1))
    }
  }

  async #checkOnce(image: DiskImage, moment: Moment, commits: (readonly Command[])[]): Promise<void> {
    const state = `${moment.known} ${commits.length} ${image.fingerprint}`
    if (this.#seen.has(state)) return
    this.#seen.add(state)
    const blobs = await this.#restore(image)
    const metadata = await replay(commits, this.#recording.secret)
    try {
      await this.#hold(moment, { blobs, metadata }, commits)
    } finally {
      await metadata.close()
    }
  }

  async #restore({ folders, files }: DiskImage): Promise<BlobStore> {
    const place = (path: string) => join(this.#root, relative(this.#recording.root, path))
    if (this.#store === undefined || folders.length < ALL_FOLDERS) {
      rmSync(this.#root, { recursive: true, force: true })
      for (const path of folders) mkdirSync(place(path), { recursive: true })
      this.#store = await fileSystemBlobStore({ root: this.#root, files: recordedDisk() })
    }
    // Opening a store whose folders are all there changes nothing, so that is spared.
    for (const path of this.#files()) rmSync(path)
    for (const [path, bytes] of files) writeFileSync(place(path), bytes)
    return this.#store
  }

  async #hold(
    moment: Moment,
    stores: { blobs: BlobStore; metadata: MetadataStore },
    commits: (readonly Command[])[],
  ): Promise<void> {
    const registry = blobRegistry(stores)
    registry.now = Math.max(registry.now, ...commits.flat().map(timeOf)) + LEASES_ARE_OVER_MS
    const client = new CarefulClient(registry)
    await this.#pullAll(client, moment)
    for (const upload of moment.uploads.values()) await goOn(client, upload)
    await registry.sweepOut()
    const there = await this.#pullAll(client, moment)
    assert.deepEqual(client.refusals, [])
    assert.equal(this.#files().length, there, 'files that nothing leads to stay')
  }

  /** Pulls all blobs. @returns how many there are */
  async #pullAll(client: CarefulClient, { blobs }: Moment): Promise<number> {
    let count = 0
    for (const bytes of this.#recording.contents) {
      const found = await client.pulls(bytes)
      const told = blobs.get(digestOf(bytes))?.state
      if (told === 'there') assert.ok(found, 'a blob that was answered with 201 is gone')
      if (told === 'gone') assert.ok(!found, 'a blob that was deleted is back')
      if (found) count++
    }
    return count
  }

  #files(): string[] {
    const entries = readdirSync(this.#root, { recursive: true, withFileTypes: true })
    return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name))
  }
}

function momentAfter(log: readonly LogEntry<Note>[]): Moment {
  const commits: (readonly Command[])[] = []
  const blobs = new Map<string, BlobFact>()
  const uploads = new Map<string, UploadFact>()
  let outstanding = false
  for (const entry of log) {
    if (entry.type !== 'note') continue
    const { note } = entry
    if (note.type === 'commit') commits.push(note.commands)
    if (note.type === 'commit' || note.type === 'committed') outstanding = note.type === 'commit'
    if (note.type === 'blob') blobs.set(note.digest, note)
    if (note.type === 'upload') uploads.set(note.location, note)
  }
  const told = [...uploads.values()].map(({ location, offset, state }) => ({ location, offset, state }))
  return { commits, outstanding, blobs, uploads, known: JSON.stringify([[...blobs], told]) }
}

async function replay(commits: (readonly Command[])[], secret: Uint8Array): Promise<MetadataStore> {
  const metadata = await sqliteMetadata({ path: ':memory:' })
  for (const commands of commits) await metadata.commit(commands)
  return { ...metadata, secret }
}

function timeOf(command: Command): number {
  return 'at' in command ? command.at : 0
}

/** An upload goes on from no less than what the client was told, to the end. */
async function goOn(client: CarefulClient, { location, bytes, offset, state }: UploadFact): Promise<void> {
  if (state === 'ended') return
  const found = await client.offsetOf(location, bytes)
  if (found === undefined) {
    assert.equal(state, 'closing', 'an upload is gone')
    assert.ok(await client.pulls(bytes), 'an upload was closed, but its blob is not there')
    return
  }
  assert.ok(found >= offset, `an upload has ${found} bytes, but ${offset} were answered`)
  assert.ok(await client.finish(location, bytes, LARGE))
  assert.ok(await client.pulls(bytes))
}
