import { hash } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from '../src/metadata/command.ts'
import type { MetadataStore } from '../src/metadata/metadata-store.ts'
import { MIGRATIONS } from '../src/metadata/sqlite/migrations.ts'
import { sqliteMetadata } from '../src/metadata/sqlite/store.ts'
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
}

/** The repository that has all tags. */
export const TAGGED = 'bench/tagged'
/** The repository that has all referrers. */
export const REFERRED = 'bench/referred'
const COMMANDS_PER_COMMIT = 2000
const TAGS_PER_MANIFEST = 1000
const PROGRESS_COMMANDS = 50_000
const AT = Date.UTC(2026, 0, 1)
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
  return { data, size, blob: LAYER.digest, subject: manifestOf('subject').digest }
}

async function fill(data: string, size: GrownSize, progress: (line: string) => void): Promise<void> {
  const store = await sqliteMetadata({ path: join(data, 'metadata.sqlite') })
  try {
    let batch: Command[] = []
    let done = 0
    for (const command of commandsOf(size)) {
      if (batch.push(command) < COMMANDS_PER_COMMIT) continue
      await commit(store, batch)
      done += batch.length
      if (done % PROGRESS_COMMANDS === 0) progress(`made ${done} entries of a grown registry`)
      batch = []
    }
    await commit(store, batch)
  } finally {
    await store.close()
  }
}

async function commit(store: MetadataStore, commands: readonly Command[]): Promise<void> {
  for (const { result } of await store.commit(commands)) {
    if (result !== 'stored') throw new Error(`a grown registry could not be made: ${result}`)
  }
}

function* commandsOf({ tags, repositories, referrers }: GrownSize): Iterable<Command> {
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
    return { type: 'putBlob', repository: name, digest, size: bytes.length, content: { bytes }, at: AT }
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

function putManifest(name: RepositoryName, { bytes, digest }: Made, tags: readonly Tag[]): Command {
  const manifest = parseManifest(bytes, undefined)
  return { type: 'putManifest', repository: name, digest, bytes, ...manifest, tags, condition: {}, at: AT }
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
