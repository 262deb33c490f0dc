import { createHash, randomBytes } from 'node:crypto'
import { ANONYMOUS } from '../../src/metadata/actor.ts'
import type { PutBlob } from '../../src/metadata/blobs.ts'
import type { Change } from '../../src/metadata/changes.ts'
import type { Command, Outcome } from '../../src/metadata/command.ts'
import type { PutManifest } from '../../src/metadata/manifests.ts'
import type { MetadataStore } from '../../src/metadata/metadata-store.ts'
import { StoreClock } from '../../src/metadata/sqlite/store-clock.ts'
import type { UploadRecord } from '../../src/metadata/uploads.ts'
import { type Digest, formatDigest } from '../../src/oci/digest.ts'
import type { Edge, EdgeKind } from '../../src/oci/manifest.ts'
import type { RepositoryName, Tag } from '../../src/oci/reference.ts'

/** Makes an empty store that has the given clock; the suite closes it. */
export type MakeMetadataStore = (clock: StoreClock) => Promise<MetadataStore>

/** What the tests of pushes and of opening uploads use of a store, so that a driver can begin with that. */
export interface PushStore extends Pick<MetadataStore, 'commit' | 'blobs'> {
  repositories: Pick<MetadataStore['repositories'], 'exists'>
  tags: Pick<MetadataStore['tags'], 'list'>
  manifests: Pick<MetadataStore['manifests'], 'find' | 'read' | 'referrers'>
  log: Pick<MetadataStore['log'], 'changes'>
  uploads: {
    find(id: string): Promise<Pick<UploadRecord, 'repository' | 'version' | 'lease'> | 'ended' | undefined>
  }
}

/** The store of a suite, once it is there. */
export type GetStore = () => MetadataStore

const STEP_MS = 1000
let time = 1_700_000_000_000
let places = 0

/** The clock of the stores of the suites, which only the tests move. */
export const testClock = new StoreClock()
testClock.set(time)

/** Moves the clock to a time later than any before, a second after the last one. @returns the time */
export function tick(): number {
  time += STEP_MS
  testClock.set(time)
  return time
}

/** The time of the last command. */
export function now(): number {
  return testClock.now()
}

/** How long ago a time will be when the next command is executed by {@link commitOne}. */
export function since(past: number): number {
  return time + STEP_MS - past
}

/** Two actors with names. */
export const ALICE = { kind: 'user', name: 'alice' } as const
export const BOB = { kind: 'user', name: 'bob' } as const

/** The name of a repository that no other test uses. */
export function newRepository(): RepositoryName {
  places++
  return `place/${places}` as RepositoryName
}

/** A key of the blob store, or a token, that nobody has used. */
export function newToken(): string {
  return randomBytes(16).toString('hex')
}

/** The digest of bytes. */
export function sha256(bytes: Uint8Array | string): Digest {
  return formatDigest('sha256', createHash('sha256').update(bytes).digest('hex'))
}

/** A digest of content that nobody has. */
export function newDigest(): Digest {
  return sha256(randomBytes(16))
}

/** Does one command, a second after the one before. */
export async function commitOne<const C extends Command>(
  store: Pick<MetadataStore, 'commit'>,
  command: C,
): Promise<Outcome<C>> {
  tick()
  const [outcome] = await store.commit([command])
  return outcome as Outcome<C>
}

/** Executes one command at a time, which may be in the past or in the future. */
export async function commitAt<const C extends Command>(
  store: Pick<MetadataStore, 'commit'>,
  at: number,
  command: C,
): Promise<Outcome<C>> {
  testClock.set(at)
  const [outcome] = await store.commit([command])
  return outcome as Outcome<C>
}

/** A command that puts a blob of random small content, unless told otherwise. */
export function blobCommand(repository: RepositoryName, changes: Partial<PutBlob> = {}): PutBlob {
  const bytes = randomBytes(20)
  return {
    type: 'putBlob',
    actor: ANONYMOUS,
    repository,
    digest: sha256(bytes),
    size: bytes.length,
    content: { bytes },
    ...changes,
  }
}

/** Puts a blob of random small content. @returns its digest */
export async function putBlob(
  store: Pick<MetadataStore, 'commit'>,
  repository: RepositoryName,
): Promise<Digest> {
  const command = blobCommand(repository)
  await commitOne(store, command)
  return command.digest
}

/** Content that a manifest names and needs. */
export function edge(kind: EdgeKind, digest: Digest, size = 20): Edge {
  return { kind, digest, size, required: true }
}

/** A command that puts a manifest of random bytes without edges or tags, unless told otherwise. */
export function manifestCommand(repository: RepositoryName, changes: Partial<PutManifest> = {}): PutManifest {
  const bytes = changes.bytes ?? Buffer.from(JSON.stringify({ schemaVersion: 2, id: newToken() }))
  return {
    type: 'putManifest',
    actor: ANONYMOUS,
    repository,
    digest: sha256(bytes),
    bytes,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    edges: [],
    tags: [],
    condition: {},
    ...changes,
  }
}

/** Puts a manifest. @returns its digest */
export async function putManifest(
  store: Pick<MetadataStore, 'commit'>,
  repository: RepositoryName,
  changes: Partial<PutManifest> = {},
): Promise<Digest> {
  const command = manifestCommand(repository, changes)
  const { result } = await commitOne(store, command)
  if (result !== 'stored') throw new Error(`the manifest is not stored: ${result}`)
  return command.digest
}

/** Tags of text. */
export function tags(...names: string[]): Tag[] {
  return names as Tag[]
}

/** The whole change log of one repository, read in pages. */
export async function changesOf(
  store: Pick<PushStore, 'log'>,
  repository: RepositoryName,
): Promise<Change[]> {
  const found: Change[] = []
  for (let after = 0; ; ) {
    const page = await store.log.changes(after, 10_000)
    const last = page.at(-1)
    if (last === undefined) return found
    found.push(...page.filter((change) => change.repository === repository))
    after = last.sequence
  }
}

/** The digest that a tag points to. */
export async function tagged(
  store: Pick<PushStore, 'manifests'>,
  repository: RepositoryName,
  tag: string,
): Promise<Digest | undefined> {
  return (await store.manifests.find(repository, { tag: tag as Tag }))?.digest
}

/** Whether a key is queued for deletion. */
export async function isGarbage(store: MetadataStore, key: string): Promise<boolean> {
  return (await store.log.garbage({ queuedFor: 0, limit: 1_000_000 })).includes(key)
}

/** Where a blob's bytes are, if that is not in the metadata store. */
export async function keyOf(
  store: MetadataStore,
  repository: RepositoryName,
  digest: Digest,
): Promise<string | undefined> {
  return (await store.blobs.find(repository, digest))?.content.key
}
