import assert from 'node:assert/strict'
import { descriptorOf, digestOf, manifestOf, OCI_CONFIG } from '../content.ts'
import { type Answer, BrokenError, locationOf, offsetOf } from '../crash/client.ts'
import type { ImageEntry, TagEntry } from '../crash/ledger.ts'
import { closeUpload, type Pushing } from '../crash/push.ts'

const REPOSITORY = 'app'
const KIB = 1024
const SHARED = Buffer.alloc(80 * KIB, 'the base layer of all images')

/**
 * Pushes an image in all the ways that there are, and moves tags: `latest` and another to each new image, `stable` to the one before. Each blob
 * but the base layer is new.
 *
 * @returns whether it came to its end; false if the server was killed meanwhile
 */
export async function pushAll(pushing: Pushing): Promise<boolean> {
  try {
    await pushImage(pushing)
    return true
  } catch (error) {
    if (error instanceof BrokenError) return false
    throw error
  }
}

async function pushImage(pushing: Pushing): Promise<void> {
  const { ledger, random } = pushing
  const latest = ledger.tag(REPOSITORY, 'latest')
  const before = [...ledger.images.values()].findLast(({ fate }) => fate === 'kept')
  const config = random.bytes(300)
  const layers = [SHARED, random.bytes(100 * KIB), random.bytes(2300 * KIB)]
  await pushAtOnce(pushing, config)
  await pushAtOnce(pushing, SHARED)
  await pushByPut(pushing, layers[1] as Buffer)
  // In the database, then in a file, then more than is written at once, then the rest with the closing request.
  await pushInChunks(pushing, layers[2] as Buffer, [30 * KIB, 100 * KIB, 2200 * KIB])
  const image = imageOf(config, layers)
  await putManifest(pushing, image, [latest, ledger.tag(REPOSITORY, `v${ledger.images.size}`)])
  if (before !== undefined) await putManifest(pushing, before, [ledger.tag(REPOSITORY, 'stable')])
}

function imageOf(config: Buffer, layers: Buffer[]): ImageEntry {
  const descriptors = layers.map((layer) => descriptorOf(layer))
  const manifest = manifestOf({ config: descriptorOf(config, OCI_CONFIG), layers: descriptors })
  const blobs = [digestOf(config), ...descriptors.map(({ digest }) => digest)]
  const { digest, bytes, mediaType } = manifest
  return {
    repository: REPOSITORY,
    digest,
    bytes,
    mediaType,
    blobs,
    pinned: true,
    fate: 'gone',
    checked: false,
  }
}

async function pushAtOnce({ client, ledger }: Pushing, body: Buffer): Promise<void> {
  const digest = digestOf(body)
  await ledger.change(ledger.blob(REPOSITORY, digest), 'kept', async () => {
    await client.expect(201, 'POST', `/v2/${REPOSITORY}/blobs/uploads/?digest=${digest}`, { body })
  })
}

async function pushByPut(pushing: Pushing, bytes: Buffer): Promise<void> {
  await pushInChunks(pushing, bytes, [])
}

/** @param ends of the chunks that go ahead of the closing request */
async function pushInChunks(pushing: Pushing, bytes: Buffer, ends: number[]): Promise<void> {
  const { client, ledger } = pushing
  const digest = digestOf(bytes)
  await ledger.change(ledger.blob(REPOSITORY, digest), 'kept', async () => {
    const location = locationOf(await client.expect(202, 'POST', `/v2/${REPOSITORY}/blobs/uploads/`))
    const upload = {
      repository: REPOSITORY,
      location,
      bytes,
      digest,
      acknowledged: 0,
      sent: 0,
      closing: false,
    }
    ledger.uploads.add(upload)
    for (const end of ends) {
      upload.sent = end
      const body = bytes.subarray(upload.acknowledged, end)
      const headers = { 'Content-Range': `${upload.acknowledged}-${end - 1}` }
      const answer: Answer = await client.expect(202, 'PATCH', location, { headers, body })
      assert.equal(offsetOf(answer), end)
      upload.acknowledged = end
    }
    await closeUpload(pushing, upload)
  })
}

async function putManifest({ client, ledger }: Pushing, image: ImageEntry, tags: TagEntry[]): Promise<void> {
  const { repository, digest, bytes, mediaType } = image
  const query = tags.map(({ name }) => `tag=${name}`).join('&')
  await ledger.push(image, tags, async () => {
    const path = `/v2/${repository}/manifests/${digest}?${query}`
    await client.expect(201, 'PUT', path, { headers: { 'Content-Type': mediaType }, body: bytes })
  })
}
