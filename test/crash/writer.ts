import { manifestOf } from '../content.ts'
import { BrokenError } from './client.ts'
import type { ImageEntry, TagEntry } from './ledger.ts'
import { type Pushing, pushBlob } from './push.ts'

/** The repositories that all writers write to. */
export const REPOSITORIES = ['app', 'team/app', 'team/tools']

const TAGS_OF_WRITER = 6
const SHARED_CONTENT = ['{}', 'shared by all writers', 'x'.repeat(70_000)]

/** A client that pushes, tags and deletes images of its own, beside others in the same repositories. */
export interface Writer extends Pushing {
  name: string
  images: ImageEntry[]
}

/** Writes until the connection breaks, which it may do only once the server was killed. */
export async function writeUntilBroken(writer: Writer, isKilled: () => boolean): Promise<void> {
  try {
    for (;;) await act(writer)
  } catch (error) {
    if (!(error instanceof BrokenError && isKilled())) throw error
  }
}

async function act(writer: Writer): Promise<void> {
  const { random } = writer
  const kept = writer.images.filter((image) => image.fate === 'kept')
  const deletable = kept.filter((image) => !image.pinned)
  const turn = random.next()
  if (kept.length === 0 || turn < 0.4) return await pushImage(writer)
  if (turn < 0.6) return await retag(writer, random.pick(kept))
  if (turn < 0.7) return await shareTag(writer, random.pick(kept))
  if (turn < 0.8) return await untag(writer)
  if (turn < 0.85) return await mount(writer, random.pick(kept))
  if (deletable.length > 0) await deleteImage(writer, random.pick(deletable))
}

async function pushImage(writer: Writer): Promise<void> {
  const { random, client, ledger } = writer
  const repository = random.pick(REPOSITORIES)
  const contents = [random.bytes(random.between(20, 500)), random.bytes(random.between(70_000, 150_000))]
  if (random.chance(0.5)) contents.push(random.bytes(random.between(1, 65_536)))
  if (random.chance(0.5)) contents.push(Buffer.from(random.pick(SHARED_CONTENT)))
  const blobs: string[] = []
  for (const bytes of contents) blobs.push(await pushBlob(writer, repository, bytes))
  const [config, ...layers] = contents.map((bytes, index) => ({
    mediaType: 'application/octet-stream',
    digest: blobs[index],
    size: bytes.length,
  }))
  const { digest, bytes, mediaType } = manifestOf({ config, layers })
  const pinned = random.chance(0.2)
  const image: ImageEntry = {
    repository,
    digest,
    bytes,
    mediaType,
    blobs,
    pinned,
    fate: 'gone',
    checked: false,
  }
  writer.images.push(image)
  const tags = ownTags(writer, repository).slice(0, random.between(0, 3))
  const query = tags.map((tag) => `tag=${tag.name}`).join('&')
  const path = `/v2/${repository}/manifests/${digest}?${query}`
  await ledger.push(image, tags, async () => {
    await client.expect(201, 'PUT', path, { headers: { 'Content-Type': mediaType }, body: bytes })
  })
}

/** The tags that this writer alone sets, in an order of chance. */
function ownTags({ random, ledger, name }: Writer, repository: string): TagEntry[] {
  const first = random.between(0, TAGS_OF_WRITER - 1)
  return Array.from({ length: TAGS_OF_WRITER }, (_, index) =>
    ledger.tag(repository, `${name}-${(first + index) % TAGS_OF_WRITER}`),
  )
}

async function retag(writer: Writer, image: ImageEntry): Promise<void> {
  const tags = ownTags(writer, image.repository).slice(0, 1)
  await writer.ledger.push(image, tags, () => putTag(writer, image, tags[0]))
}

async function shareTag(writer: Writer, image: ImageEntry): Promise<void> {
  image.pinned = true
  const tag = writer.ledger.tag(image.repository, 'latest')
  await writer.ledger.setShared(tag, image, () => putTag(writer, image, tag))
}

async function putTag(
  { client }: Writer,
  { repository, bytes, mediaType }: ImageEntry,
  tag: TagEntry | undefined,
): Promise<void> {
  const parts = { headers: { 'Content-Type': mediaType }, body: bytes }
  await client.expect(201, 'PUT', `/v2/${repository}/manifests/${tag?.name}`, parts)
}

async function untag(writer: Writer): Promise<void> {
  const { random, client, ledger } = writer
  const tags = ownTags(writer, random.pick(REPOSITORIES))
  const tag = tags.find(({ possible }) => !possible.has(undefined))
  if (tag === undefined) return
  await ledger.untag(tag, async () => {
    await client.expect(202, 'DELETE', `/v2/${tag.repository}/manifests/${tag.name}`)
  })
}

async function mount({ random, client, ledger }: Writer, image: ImageEntry): Promise<void> {
  const digest = random.pick(image.blobs)
  const others = REPOSITORIES.filter((repository) => repository !== image.repository)
  const repository = random.pick(others)
  const path = `/v2/${repository}/blobs/uploads/?mount=${digest}&from=${image.repository}`
  await ledger.change(ledger.blob(repository, digest), 'kept', async () => {
    await client.expect(201, 'POST', path)
  })
}

/** Deletes an image, then its config and its first layer, which no other image of the repository has. */
async function deleteImage({ client, ledger }: Writer, image: ImageEntry): Promise<void> {
  const { repository, digest, blobs } = image
  await ledger.delete(image, async () => {
    await client.expect(202, 'DELETE', `/v2/${repository}/manifests/${digest}`)
  })
  for (const blob of blobs.slice(0, 2)) {
    await ledger.change(ledger.blob(repository, blob), 'gone', async () => {
      await client.expect(202, 'DELETE', `/v2/${repository}/blobs/${blob}`)
    })
  }
}
