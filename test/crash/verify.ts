import assert from 'node:assert/strict'
import { digestOf } from '../content.ts'
import { type Client, offsetOf } from './client.ts'
import type { BlobEntry, Fate, ImageEntry, Ledger, PendingChange, TagEntry, UploadEntry } from './ledger.ts'
import { appendChunks, closeUpload, type Pushing } from './push.ts'

const AT_ONCE = 8

/** How much is looked at beside what changed since the last time: this many of each kind, or all. */
export type Extent = { sample: number } | 'all'

/** Holds a server against the ledger, which knows everything for sure afterwards. */
export async function verify(pushing: Pushing, extent: Extent): Promise<void> {
  const { client, ledger } = pushing
  await eachOf([...ledger.uploads], (upload) => resume(pushing, upload, extent))
  await eachOf(chosen(pushing, [...ledger.blobs.values()], extent), async (blob) => {
    settle(blob, await isPulled(client, blob))
  })
  await eachOf(chosen(pushing, [...ledger.images.values()], extent), async (image) => {
    settle(image, await isImagePulled(client, image))
  })
  const found = new Map<TagEntry, string | undefined>()
  await eachOf(chosen(pushing, [...ledger.tags.values()], extent), async (tag) => {
    found.set(tag, await leadsTo(client, ledger, tag))
  })
  for (const change of ledger.pending) assertWholeOrNothing(change, found)
  ledger.pending.clear()
  for (const [tag, digest] of found) {
    tag.possible = new Set([digest])
    tag.checked = true
  }
  await assertTagLists(client, ledger)
}

async function eachOf<T>(items: T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = [...items].reverse()
  const worker = async () => {
    for (let item = rest.pop(); item !== undefined; item = rest.pop()) await work(item)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}

function chosen<T extends { checked: boolean }>({ random }: Pushing, entries: T[], extent: Extent): T[] {
  if (extent === 'all') return entries
  const probability = extent.sample / Math.max(1, entries.length)
  return entries.filter((entry) => !entry.checked || random.chance(probability))
}

function settle(entry: BlobEntry, isThere: boolean): void {
  const fate: Fate = isThere ? 'kept' : 'gone'
  const what = `${entry.repository}@${entry.digest}`
  if (entry.fate !== 'either') assert.equal(fate, entry.fate, `${what} must be ${entry.fate}`)
  entry.fate = fate
  entry.checked = true
}

async function isPulled(client: Client, { repository, digest }: BlobEntry): Promise<boolean> {
  const { status, body } = await client.send('GET', `/v2/${repository}/blobs/${digest}`)
  if (status === 404) return false
  assert.equal(status, 200, `${repository}@${digest}`)
  const [algorithm] = digest.split(':')
  assert.equal(digestOf(body, algorithm), digest)
  return true
}

async function isImagePulled(client: Client, image: ImageEntry): Promise<boolean> {
  const { repository, digest, bytes, mediaType, blobs } = image
  const answer = await client.send('GET', `/v2/${repository}/manifests/${digest}`)
  if (answer.status === 404) return false
  assert.equal(answer.status, 200, `${repository}@${digest}`)
  assert.deepEqual(answer.body, bytes)
  assert.equal(answer.headers.get('content-type'), mediaType)
  for (const blob of blobs) await client.expect(200, 'HEAD', `/v2/${repository}/blobs/${blob}`)
  return true
}

/** Pulls all that a tag leads to. @returns the manifest's digest, or undefined if the tag is absent */
async function leadsTo(client: Client, ledger: Ledger, tag: TagEntry): Promise<string | undefined> {
  const { repository, name, possible } = tag
  const what = `${repository}:${name}`
  const { status, headers, body } = await client.send('GET', `/v2/${repository}/manifests/${name}`)
  const digest = status === 404 ? undefined : digestOf(body)
  assert.ok(status === 200 || status === 404, `${what}: ${status}`)
  assert.ok(possible.has(digest), `${what} leads to ${digest}, not to ${[...possible]}`)
  if (digest === undefined) return undefined
  assert.equal(headers.get('docker-content-digest'), digest)
  const image = ledger.images.get(`${repository}@${digest}`)
  assert.equal(image?.fate, 'kept', `${what} leads to ${digest}, which is ${image?.fate}`)
  for (const blob of image?.blobs ?? []) {
    const entry = ledger.blob(repository, blob)
    assert.ok(await isPulled(client, entry), `${what} needs ${blob}`)
  }
  return digest
}

/** A manifest and its tags change together: tags that lead to it are there exactly if it is. */
function assertWholeOrNothing(
  { kind, image, tags, isNew }: PendingChange,
  found: ReadonlyMap<TagEntry, string | undefined>,
): void {
  const leading = tags.filter((tag) => found.get(tag) === image.digest)
  const what = `${kind} of ${image.repository}@${image.digest} with ${tags.map((tag) => tag.name)}`
  assert.ok(leading.length === 0 || leading.length === tags.length, `${what} happened by half`)
  if (tags.length > 0 && (isNew || kind === 'delete')) {
    assert.equal(leading.length > 0, image.fate === 'kept', `${what} happened by half`)
  }
}

async function assertTagLists(client: Client, ledger: Ledger): Promise<void> {
  const tags = [...ledger.tags.values()]
  for (const repository of new Set(tags.map((tag) => tag.repository))) {
    const here = tags.filter((tag) => tag.repository === repository && !tag.possible.has(undefined))
    const { status, body } = await client.send('GET', `/v2/${repository}/tags/list`)
    if (status === 404 && here.length === 0) continue
    const list = JSON.parse(body.toString()) as { tags: string[] }
    assert.deepEqual(list.tags, here.map((tag) => tag.name).sort())
  }
}

/** An upload goes on from what it says that it has; one in three is left for the next crash. */
async function resume(pushing: Pushing, upload: UploadEntry, extent: Extent): Promise<void> {
  const { client, ledger, random } = pushing
  const { repository, location, digest, acknowledged, sent, closing } = upload
  const status = await client.send('GET', location)
  const blob = ledger.blob(repository, digest)
  if (status.status === 404 && closing) {
    assert.ok(await isPulled(client, blob), `${location} is closed, but ${digest} is absent`)
    settle(blob, true)
    ledger.uploads.delete(upload)
    return
  }
  assert.equal(status.status, 204, location)
  const offset = offsetOf(status)
  assert.ok(acknowledged <= offset && offset <= sent, `${acknowledged} <= ${offset} <= ${sent}: ${location}`)
  if (offset > 0) ledger.resumed++
  upload.acknowledged = offset
  upload.closing = false
  if (extent !== 'all' && random.chance(0.3)) return await appendChunks(pushing, upload, random.next())
  await ledger.change(blob, 'kept', async () => {
    if (random.chance(0.5)) await appendChunks(pushing, upload, 1)
    await closeUpload(pushing, upload)
  })
}
