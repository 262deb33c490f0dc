/** What must be true of something after a crash; `either` while a request that changes it was not answered. */
export type Fate = 'kept' | 'gone' | 'either'

/** A blob of a repository. */
export interface BlobEntry {
  repository: string
  digest: string
  fate: Fate
  /** Whether it was looked at since it last changed. */
  checked: boolean
}

/** A manifest of a repository. */
export interface ImageEntry extends BlobEntry {
  mediaType: string
  bytes: Buffer
  /** The digests of all that it names. */
  blobs: string[]
  /** Whether it is never deleted, so that a tag which several writers set can lead to it. */
  pinned: boolean
}

/** A tag, with all that it may lead to: digests, or undefined where it may be absent. */
export interface TagEntry {
  repository: string
  name: string
  possible: Set<string | undefined>
  checked: boolean
}

/** An upload that was begun and not closed yet. */
export interface UploadEntry {
  repository: string
  location: string
  bytes: Buffer
  digest: string
  /** How many bytes the server said that it has. */
  acknowledged: number
  /** How many bytes it was ever given. */
  sent: number
  /** Whether a request that closes it was not answered. */
  closing: boolean
}

/** A request that changes a manifest and tags at once; when it was not answered, all of it happened or nothing. */
export interface PendingChange {
  kind: 'push' | 'delete'
  image: ImageEntry
  tags: TagEntry[]
  /** For a push: whether the manifest was not there before. */
  isNew: boolean
}

/** All that a registry promised, by its answers, to hold. */
export class Ledger {
  readonly blobs = new Map<string, BlobEntry>()
  readonly images = new Map<string, ImageEntry>()
  readonly tags = new Map<string, TagEntry>()
  readonly uploads = new Set<UploadEntry>()
  readonly pending = new Set<PendingChange>()
  /** How many requests were answered with success. */
  promises = 0
  /** How many uploads went on in their middle after a crash. */
  resumed = 0

  blob(repository: string, digest: string): BlobEntry {
    const key = `${repository}@${digest}`
    const entry = this.blobs.get(key) ?? { repository, digest, fate: 'gone', checked: true }
    this.blobs.set(key, entry)
    return entry
  }

  tag(repository: string, name: string): TagEntry {
    const key = `${repository}:${name}`
    const entry = this.tags.get(key) ?? { repository, name, possible: new Set([undefined]), checked: true }
    this.tags.set(key, entry)
    return entry
  }

  /** Does a request that puts or deletes content: it is in doubt until the request was answered. */
  async change(entry: BlobEntry, fate: 'kept' | 'gone', request: () => Promise<void>): Promise<void> {
    // What is there already is not put in doubt by putting it again.
    if (entry.fate !== fate) entry.fate = 'either'
    entry.checked = false
    await request()
    entry.fate = fate
    this.promises++
  }

  /** Pushes a manifest and sets tags that no other writer sets. */
  async push(image: ImageEntry, tags: TagEntry[], request: () => Promise<void>): Promise<void> {
    const key = `${image.repository}@${image.digest}`
    const change = { kind: 'push', image, tags, isNew: image.fate === 'gone' } as const
    this.images.set(key, image)
    for (const tag of tags) doubt(tag, image.digest)
    this.pending.add(change)
    await this.change(image, 'kept', request)
    for (const tag of tags) tag.possible = new Set([image.digest])
    this.pending.delete(change)
  }

  /** Sets a tag that several writers set at once, so that its order is not known. */
  async setShared(tag: TagEntry, image: ImageEntry, request: () => Promise<void>): Promise<void> {
    doubt(tag, image.digest)
    await request()
    tag.possible.delete(undefined)
    this.promises++
  }

  /** Deletes a manifest, and with it the tags that lead to it. */
  async delete(image: ImageEntry, request: () => Promise<void>): Promise<void> {
    const tags = this.tagsOf(image)
    const change = { kind: 'delete', image, tags, isNew: false } as const
    for (const tag of tags) doubt(tag, undefined)
    this.pending.add(change)
    await this.change(image, 'gone', request)
    for (const tag of tags) tag.possible = new Set([undefined])
    this.pending.delete(change)
  }

  /** Removes a tag. */
  async untag(tag: TagEntry, request: () => Promise<void>): Promise<void> {
    doubt(tag, undefined)
    await request()
    tag.possible = new Set([undefined])
    this.promises++
  }

  /** The tags that surely lead to a manifest. */
  tagsOf({ repository, digest }: ImageEntry): TagEntry[] {
    const tags = [...this.tags.values()].filter((tag) => tag.repository === repository)
    return tags.filter(({ possible }) => possible.size === 1 && possible.has(digest))
  }
}

function doubt(tag: TagEntry, digest: string | undefined): void {
  tag.possible.add(digest)
  tag.checked = false
}
