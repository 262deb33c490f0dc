import { createHash, randomBytes } from 'node:crypto'
import type { TestContext } from 'node:test'
import { JobRunner } from '../../src/jobs/runner.ts'
import { ANONYMOUS } from '../../src/metadata/actor.ts'
import { memoryMetadata, sqliteMetadata } from '../../src/metadata/sqlite/store.ts'
import { type Digest, formatDigest } from '../../src/oci/digest.ts'
import { MEDIA_TYPES } from '../../src/oci/media-type.ts'
import type { RepositoryName, Tag } from '../../src/oci/reference.ts'
import type { RegistryParts, Retention } from '../../src/registry/parts.ts'
import { type LocalRegistry, localRegistry, type Registry } from '../../src/registry/registry.ts'
import { memoryBlobStore } from '../../src/storage/memory.ts'
import { stoppedClock } from '../stopped-clock.ts'

const DAY = 86_400_000

/** A registry over stores in memory, whose clock only the test moves. */
export interface PlacedRegistry extends LocalRegistry {
  parts: RegistryParts
  /** Lets time pass. */
  pass(milliseconds: number): void
  sweepNow(): ReturnType<LocalRegistry['maintenance']['sweep']>
}

/** Makes a registry of a test. @param path of its metadata, if that is in a file */
export async function placeRegistry(
  test: Pick<TestContext, 'after'>,
  {
    retention,
    pullsInterval,
    path,
  }: { retention?: Partial<Retention>; pullsInterval?: number; path?: string } = {},
): Promise<PlacedRegistry> {
  const clock = stoppedClock()
  const metadata = path === undefined ? memoryMetadata(clock) : await sqliteMetadata({ path, clock })
  const parts: RegistryParts = {
    blobs: memoryBlobStore(),
    metadata,
    retention: {
      uploads: DAY,
      unusedBlobs: DAY,
      deletedManifests: DAY,
      history: DAY,
      garbage: 0,
      ...retention,
    },
    clock: () => clock.now(),
    random: randomBytes,
  }
  const registry = localRegistry(parts)
  const { deletion, pulls } = registry.maintenance
  const jobs = [deletion, pullsInterval === undefined ? pulls : { ...pulls, every: pullsInterval }]
  const runner = new JobRunner(jobs, { store: metadata, holder: 'test', log: { debug() {}, error() {} } })
  runner.start()
  test.after(async () => {
    await runner.stop()
    await registry.close()
    await metadata.close()
  })
  return {
    ...registry,
    parts,
    pass(milliseconds) {
      clock.set(clock.now() + milliseconds)
    },
    sweepNow: () => registry.maintenance.sweep(new AbortController().signal),
  }
}

/** The digest of bytes. */
export function digestOf(bytes: Uint8Array | string): Digest {
  return formatDigest('sha256', createHash('sha256').update(bytes).digest('hex'))
}

/** Pushes a blob. @returns its descriptor */
export async function pushBlob(
  registry: Registry,
  repository: RepositoryName,
  content: Uint8Array | string,
): Promise<{ digest: Digest; size: number }> {
  const bytes = Buffer.from(content)
  const digest = digestOf(bytes)
  await registry.uploads.pushWhole(
    repository,
    { digest, actor: ANONYMOUS },
    (async function* () {
      yield bytes
    })(),
  )
  return { digest, size: bytes.length }
}

/** Pushes an image of a config and a layer of its own. @returns its digest */
export async function pushImage(
  registry: Registry,
  repository: RepositoryName,
  { config = '{}', mediaType = MEDIA_TYPES.ociConfig as string, tags = [] as string[] } = {},
): Promise<Digest> {
  const [ofConfig, layer] = [
    await pushBlob(registry, repository, config),
    await pushBlob(registry, repository, randomBytes(30)),
  ]
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociManifest,
      config: { mediaType, ...ofConfig },
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', ...layer }],
    }),
  )
  const push = {
    repository,
    bytes,
    contentType: undefined,
    digest: undefined,
    condition: {},
    actor: ANONYMOUS,
  }
  return (await registry.manifests.push({ ...push, tags: tags as Tag[] })).digest
}

/** Asks until an answer is as it should be; the test's time limit ends it otherwise. */
export async function until<T>(ask: () => Promise<T>, isRight: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask()
    if (isRight(answer)) return answer
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
