import { hash } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ANONYMOUS } from '../src/metadata/actor.ts'
import type { Command } from '../src/metadata/command.ts'
import type { PutManifest, RecordPulls } from '../src/metadata/manifests.ts'
import { MIGRATIONS } from '../src/metadata/sqlite/migrations.ts'
import { openForWriting } from '../src/metadata/sqlite/opening.ts'
import { StoreClock } from '../src/metadata/sqlite/store-clock.ts'
import { Versions } from '../src/metadata/sqlite/versions.ts'
import { type CommitResult, sqliteWriter } from '../src/metadata/sqlite/writer.ts'
import { type Digest, formatDigest } from '../src/oci/digest.ts'
import { parseManifest } from '../src/oci/manifest.ts'
import { parseRepositoryName, parseTag, type RepositoryName, type Tag } from '../src/oci/reference.ts'
import { MANIFEST_TYPE } from './load/image.ts'

/** How much is in a registry that is made for measuring. */
export interface GrownSize {
  /** Tags of {@link TAGGED}. */
  tags: number
  repositories: number
  /** Manifests of {@link REFERRED} whose subject is its first one. */
  referrers: number
  /** Manifests that were pushed to {@link LISTED}. */
  listed: number
}

/** A registry with much in it, as `stowage serve` takes it. */
export interface GrownRegistry {
  /** The data folder. */
  data: string
  size: GrownSize
  /** A blob of {@link TAGGED}. */
  blob: string
  /** The subject of all referrers. */
  subject: string
  /** The length of a manifest of {@link LISTED} with all that it names, in the middle of all lengths; in bytes. */
  totalSize: number
}

/** The repository that has all tags. */
export const TAGGED = 'bench/tagged'
/** The repository that has all referrers. */
export const REFERRED = 'bench/referred'
/** The repository that has many manifests, some of them tagged, and a history. */
export const LISTED = 'bench/listed'
/** The tag of {@link LISTED} that is set again and again. */
export const MOVED_TAG = 'latest'
/** Of the manifests of {@link LISTED}: each of so many has a tag of its own, is what {@link MOVED_TAG} was, is deleted, was never pulled. */
const OF_MANIFESTS = { tagged: 10, moved: 4, deleted: 200, neverPulled: 100 }
const PULLS_PER_COMMAND = 1000
const COMMANDS_PER_COMMIT = 5000
const MAKING = 'PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -1048576'
const TAGS_PER_MANIFEST = 1000
const PROGRESS_COMMANDS = 100_000
const AT = Date.UTC(2026, 0, 1)
/** So many lengths do the manifests of {@link LISTED} have, for the order of sizes. */
const LENGTHS = 100
const LAYER = blobOf('layer')
const CONFIG = blobOf('{"architecture":"amd64","os":"linux"}')

/** The name of tag number `index`: they sort by number. */
export function tagName(index: number): string {
  return `v${String(index).padStart(7, '0')}`
}

/**
 * Makes a registry, through the metadata store and not by requests, or takes the one that was made before.
 *
 * @param folder that holds it, and only it
 */
export async function grownRegistry(
  folder: string,
  size: GrownSize,
  { fresh, progress }: { fresh: boolean; progress: (line: string) => void },
): Promise<GrownRegistry> {
  const data = join(folder, 'data')
  const marker = join(folder, 'complete.json')
  // A server brings the kept one to its own schema, and then an older server can't read it any more.
  const wanted = JSON.stringify({ ...size, schema: MIGRATIONS.length })
  const made = await readFile(marker, 'utf8').catch(() => '')
  if (fresh || made !== wanted) {
    await rm(folder, { recursive: true, force: true })
    await mkdir(data, { recursive: true, mode: 0o700 })
    await fill(data, size, progress)
    await writeFile(marker, wanted)
  }
  const middle = listedManifest(size.listed + LENGTHS / 2).bytes.length
  const totalSize = middle + LAYER.bytes.length + CONFIG.bytes.length
  return { data, size, blob: LAYER.digest, subject: manifestOf('subject').digest, totalSize }
}

/** By a writer on this thread that syncs nothing and has much in memory: if it is interrupted, all is made anew. */
async function fill(data: string, size: GrownSize, progress: (line: string) => void): Promise<void> {
  const path = join(data, 'metadata.sqlite')
  const database = openForWriting(path)
  database.exec(MAKING)
  const clock = new StoreClock()
  let time = AT
  const writer = sqliteWriter(database, { path, versions: new Versions(), clock })
  try {
    let done = 0
    for (const batch of batchesOf(commandsOf(size))) {
      clock.set(time++)
      for (const result of writer.apply([batch])) check(result)
      writer.rest()
      done += batch.length
      if (done % PROGRESS_COMMANDS === 0) progress(`made ${done} entries of a grown registry`)
      // The bench can be interrupted between two batches.
      await new Promise((resolve) => setImmediate(resolve))
    }
  } finally {
    writer.close()
  }
}

function* batchesOf(commands: Iterable<Command>): Iterable<Command[]> {
  let batch: Command[] = []
  for (const command of commands) {
    if (batch.push(command) < COMMANDS_PER_COMMIT) continue
    yield batch
    batch = []
  }
  yield batch
}

function check(committed: CommitResult): void {
  if ('error' in committed) throw new Error(`a grown registry could not be made: ${committed.error.message}`)
  const wrong = committed.outcomes.find(({ result }) => !DONE.has(result))
  if (wrong !== undefined) throw new Error(`a grown registry could not be made: ${wrong.result}`)
}

/** What commands answer that did what they should. */
const DONE: ReadonlySet<string> = new Set(['stored', 'deleted', 'done'])

function* commandsOf({ tags, repositories, referrers, listed }: GrownSize): Iterable<Command> {
  yield* blobsOf(repository(TAGGED))
  for (let from = 0; from < tags; from += TAGS_PER_MANIFEST) {
    const count = Math.min(TAGS_PER_MANIFEST, tags - from)
    const names = Array.from({ length: count }, (_, index) => tag(tagName(from + index)))
    yield putManifest(repository(TAGGED), manifestOf(`tagged ${from}`), names)
  }
  for (let index = 0; index < repositories; index++) {
    const name = repository(`bench/many-${index}`)
    yield* blobsOf(name)
    yield putManifest(name, manifestOf(`of ${index}`), [tag('v1')])
  }
  yield* blobsOf(repository(REFERRED))
  const subject = manifestOf('subject')
  yield putManifest(repository(REFERRED), subject, [])
  for (let index = 0; index < referrers; index++) {
    yield putManifest(repository(REFERRED), manifestOf(`referrer ${index}`, subject), [])
  }
  yield* listedCommands(listed)
}

function* listedCommands(count: number): Iterable<Command> {
  const name = repository(LISTED)
  const { tagged, moved, deleted, neverPulled } = OF_MANIFESTS
  const isOneOf = (index: number, share: number) => index % share === 0
  yield* blobsOf(name)
  let pulls: RecordPulls['pulls'][number][] = []
  for (let index = 0; index < count; index++) {
    const manifest = listedManifest(index)
    const own = isOneOf(index, tagged) ? [tag(tagName(index))] : []
    const tags = isOneOf(index, moved) ? [...own, tag(MOVED_TAG)] : own
    yield putManifest(name, manifest, tags)
    if (!isOneOf(index, neverPulled))
      pulls.push({ repository: name, digest: manifest.digest, ago: count - index })
    if (pulls.length < PULLS_PER_COMMAND && index + 1 < count) continue
    yield { type: 'recordPulls', pulls }
    pulls = []
  }
  for (let index = 0; index < count; index += deleted) {
    const { digest } = listedManifest(index)
    yield { type: 'deleteManifest', actor: ANONYMOUS, repository: name, digest, keep: true }
  }
}

function listedManifest(index: number): Made {
  return manifestOf(`listed ${index} ${'.'.repeat(index % LENGTHS)}`)
}

interface Made {
  bytes: Buffer
  digest: Digest
}

function blobOf(text: string): Made {
  return made(Buffer.from(text))
}

function made(bytes: Buffer): Made {
  return { bytes, digest: formatDigest('sha256', hash('sha256', bytes)) }
}

function blobsOf(name: RepositoryName): Command[] {
  return [LAYER, CONFIG].map(({ bytes, digest }) => {
    return {
      type: 'putBlob',
      actor: ANONYMOUS,
      repository: name,
      digest,
      size: bytes.length,
      content: { bytes },
    }
  })
}

/** An image manifest that differs from others by what it says of itself. */
function manifestOf(title: string, subject?: Made): Made {
  const body = {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: descriptor(CONFIG, 'application/vnd.oci.image.config.v1+json'),
    layers: [descriptor(LAYER, 'application/vnd.oci.image.layer.v1.tar')],
    ...(subject && { subject: descriptor(subject, MANIFEST_TYPE) }),
    annotations: { 'org.opencontainers.image.title': title },
  }
  return made(Buffer.from(JSON.stringify(body)))
}

function descriptor({ bytes, digest }: Made, mediaType: string): object {
  return { mediaType, digest, size: bytes.length }
}

function putManifest(name: RepositoryName, { bytes, digest }: Made, tags: readonly Tag[]): PutManifest {
  const manifest = parseManifest(bytes, undefined)
  return {
    type: 'putManifest',
    actor: ANONYMOUS,
    repository: name,
    digest,
    bytes,
    ...manifest,
    tags,
    condition: {},
  }
}

function repository(text: string): RepositoryName {
  return parseRepositoryName(text) ?? wrong(text)
}

function tag(text: string): Tag {
  return parseTag(text) ?? wrong(text)
}

function wrong(text: string): never {
  throw new Error(`${text} is no name`)
}
