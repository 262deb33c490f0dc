import assert from 'node:assert/strict'
import { digestOf } from '../content.ts'
import { assertWhole, type ToldChange } from '../protocol/changes.ts'
import { followLinks } from '../protocol/pages.ts'

/** A manifest as a mirror keeps it, and as a list shows it. */
export interface MirroredManifest {
  digest: string
  mediaType: string
  size: number
  tags: string[]
}

/** Reads what a repository has. */
export async function readRepository(url: string, name: string): Promise<MirroredManifest[]> {
  const pages = await followLinks<{ manifests: MirroredManifest[] }>(
    `${url}/v2/${name}/_stowage/manifests/list?sort=digest`,
  )
  return pages.flatMap(({ manifests }) =>
    manifests.map(({ digest, mediaType, size, tags }) => ({ digest, mediaType, size, tags })),
  )
}

/** A copy of a repository, which does what the feed tells it. */
export class Mirror {
  readonly told: ToldChange[] = []
  readonly #source: { url: string; name: string }
  readonly #manifests = new Map<string, { mediaType: string; size: number }>()
  readonly #tags = new Map<string, string>()
  /** Pushed, but gone before they could be read: a later change must say so. */
  readonly #missed = new Set<string>()

  constructor(source: { url: string; name: string }) {
    this.#source = source
  }

  /** Copies what the repository has, while that changes. */
  async copy(): Promise<void> {
    for (const { digest, mediaType, size, tags } of await readRepository(
      this.#source.url,
      this.#source.name,
    )) {
      this.#manifests.set(digest, { mediaType, size })
      for (const tag of tags) this.#tags.set(tag, digest)
    }
  }

  /** Does what changes tell. */
  async apply(changes: readonly ToldChange[]): Promise<void> {
    for (const change of changes) {
      this.told.push(change)
      await this.#applyOne(change)
    }
  }

  /** What it has, in the form and order of a list. */
  content(): MirroredManifest[] {
    assert.deepEqual(
      [...this.#missed],
      [],
      'manifests that were pushed and are neither there nor told to be gone',
    )
    assertWhole(this.told)
    const tagsOf = Map.groupBy([...this.#tags.keys()].sort(), (tag) => this.#tags.get(tag))
    const manifests = [...this.#manifests].map(([digest, manifest]) => ({
      digest,
      ...manifest,
      tags: tagsOf.get(digest) ?? [],
    }))
    return manifests.sort((one, two) => (one.digest < two.digest ? -1 : 1))
  }

  async #applyOne({ kind, subject, new: now }: ToldChange): Promise<void> {
    if (kind === 'tag-set') this.#tags.set(subject, now ?? '')
    else if (kind === 'tag-removed') this.#tags.delete(subject)
    else if (kind === 'manifest-pushed' || kind === 'manifest-restored') await this.#pull(subject)
    else if (kind === 'manifest-deleted' || kind === 'manifest-purged') {
      this.#manifests.delete(subject)
      this.#missed.delete(subject)
    } else assert.equal(kind, 'repository-created')
  }

  async #pull(digest: string): Promise<void> {
    const { url, name } = this.#source
    const answer = await fetch(`${url}/v2/${name}/manifests/${digest}`)
    const bytes = Buffer.from(await answer.arrayBuffer())
    if (answer.status === 404) return void this.#missed.add(digest)
    assert.equal(answer.status, 200)
    assert.equal(digestOf(bytes), digest)
    this.#missed.delete(digest)
    this.#manifests.set(digest, { mediaType: answer.headers.get('content-type') ?? '', size: bytes.length })
  }
}
