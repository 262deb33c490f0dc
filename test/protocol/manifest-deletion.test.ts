import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import {
  bytesOf,
  descriptorOf,
  errorCodes,
  manifestDescriptor,
  manifestOf,
  OCI_INDEX,
  pushArtifact,
  pushBlob,
  pushImage,
  pushManifest,
  type TestManifest,
} from '../content.ts'
import { startForFile } from './file-server.ts'

const { url } = await startForFile()

async function remove(name: string, kind: 'blobs' | 'manifests', reference: string): Promise<Response> {
  return await fetch(`${url}/v2/${name}/${kind}/${reference}`, { method: 'DELETE' })
}

async function assertGone(name: string, references: string[]): Promise<void> {
  for (const reference of references) {
    const target = `${url}/v2/${name}/manifests/${reference}`
    assert.equal((await fetch(target, { method: 'HEAD' })).status, 404)
    for (const method of ['GET', 'DELETE']) {
      const answer = await fetch(target, { method })
      assert.equal(answer.status, 404)
      assert.deepEqual(await errorCodes(answer), ['MANIFEST_UNKNOWN'])
    }
  }
}

async function assertThere(name: string, manifest: TestManifest, references: string[]): Promise<void> {
  for (const reference of references) {
    const pulled = await fetch(`${url}/v2/${name}/manifests/${reference}`)
    assert.equal(pulled.status, 200)
    assert.ok(manifest.bytes.equals(await bytesOf(pulled)))
  }
}

async function tagsOf(name: string): Promise<string[]> {
  return ((await (await fetch(`${url}/v2/${name}/tags/list`)).json()) as { tags: string[] }).tags
}

async function referrersOf(name: string, digest: string): Promise<string[]> {
  const answer = await fetch(`${url}/v2/${name}/referrers/${digest}`)
  return ((await answer.json()) as { manifests: { digest: string }[] }).manifests.map((found) => found.digest)
}

/** Fails unless a deletion is refused because of a manifest, which the message and the detail name. */
async function assertNeeded(refused: Response, digest: string, by: TestManifest): Promise<void> {
  assert.equal(refused.status, 405)
  const { errors } = (await refused.json()) as {
    errors: { code: string; message: string; detail: { digest: string; neededBy: string } }[]
  }
  assert.equal(errors.length, 1)
  assert.equal(errors[0]?.code, 'DENIED')
  assert.ok(errors[0]?.message.includes(by.digest))
  assert.partialDeepStrictEqual(errors[0]?.detail, { digest, neededBy: by.digest })
}

test('deleting a tag leaves the manifest, and its other tags', async () => {
  const image = await pushImage(url, 'tag', 'v1')
  await pushManifest(url, 'tag', image, 'v2')
  assert.equal((await remove('tag', 'manifests', 'v1')).status, 202)
  await assertGone('tag', ['v1'])
  await assertThere('tag', image, ['v2', image.digest])
  assert.deepEqual(await tagsOf('tag'), ['v2'])
})

test('deleting a manifest takes its tags with it, and nothing else', async () => {
  const [image, other] = [await pushImage(url, 'digest', 'v1'), await pushImage(url, 'digest', 'other')]
  await pushManifest(url, 'digest', image, 'v2')
  assert.equal((await remove('digest', 'manifests', image.digest)).status, 202)
  await assertGone('digest', ['v1', 'v2', image.digest])
  await assertThere('digest', other, ['other', other.digest])
  assert.deepEqual(await tagsOf('digest'), ['other'])
})

test('a deleted manifest is no longer a referrer, and its own referrers stay', async () => {
  const image = await pushImage(url, 'referrer', 'v1')
  const subject = manifestDescriptor(image)
  const [first, second] = [
    await pushArtifact(url, 'referrer', { subject, artifactType: 'application/first' }),
    await pushArtifact(url, 'referrer', { subject, artifactType: 'application/second' }),
  ]
  assert.equal((await remove('referrer', 'manifests', first.digest)).status, 202)
  assert.deepEqual(await referrersOf('referrer', image.digest), [second.digest])
  assert.equal((await remove('referrer', 'manifests', image.digest)).status, 202)
  assert.deepEqual(await referrersOf('referrer', image.digest), [second.digest])
  await assertThere('referrer', second, [second.digest])
})

test('a manifest that was deleted can be pushed again, with its tags and as a referrer', async () => {
  const image = await pushImage(url, 'again', 'v1')
  const artifact = await pushArtifact(url, 'again', { subject: manifestDescriptor(image) })
  for (const manifest of [image, artifact]) {
    assert.equal((await remove('again', 'manifests', manifest.digest)).status, 202)
    await assertGone('again', [manifest.digest])
    assert.equal((await pushManifest(url, 'again', manifest, 'v2')).status, 201)
    await assertThere('again', manifest, [manifest.digest, 'v2'])
  }
  assert.deepEqual(await tagsOf('again'), ['v2'])
  assert.deepEqual(await referrersOf('again', image.digest), [artifact.digest])
})

test('a blob that a manifest names cannot be deleted, until that manifest is', async () => {
  const layers = [randomBytes(100), randomBytes(100_000)]
  for (const layer of layers) await pushBlob(url, 'blobs', layer)
  const image = await pushImage(url, 'blobs', 'v1', { layers: layers.map((layer) => descriptorOf(layer)) })
  const { config } = JSON.parse(String(image.bytes)) as { config: { digest: string } }
  const digests = [config.digest, ...layers.map((layer) => descriptorOf(layer).digest)]
  for (const digest of digests) await assertNeeded(await remove('blobs', 'blobs', digest), digest, image)
  assert.equal((await remove('blobs', 'manifests', image.digest)).status, 202)
  for (const digest of digests) {
    assert.equal((await remove('blobs', 'blobs', digest)).status, 202)
    assert.equal((await fetch(`${url}/v2/blobs/blobs/${digest}`)).status, 404)
  }
})

test('a blob that two manifests name is needed until both are deleted', async () => {
  const layer = randomBytes(100)
  const digest = await pushBlob(url, 'shared', layer)
  const layers = [descriptorOf(layer)]
  const images = [
    await pushImage(url, 'shared', 'a', { layers }),
    await pushImage(url, 'shared', 'b', { layers }),
  ]
  for (const image of images) {
    assert.equal((await remove('shared', 'blobs', digest)).status, 405)
    assert.equal((await remove('shared', 'manifests', image.digest)).status, 202)
  }
  assert.equal((await remove('shared', 'blobs', digest)).status, 202)
})

test('a manifest that an index names cannot be deleted, until that index is; its tags can', async () => {
  const child = await pushImage(url, 'index', 'child')
  const index = manifestOf({ manifests: [manifestDescriptor(child)] }, OCI_INDEX)
  await pushManifest(url, 'index', index, 'v1')
  await assertNeeded(await remove('index', 'manifests', child.digest), child.digest, index)
  assert.equal((await remove('index', 'manifests', 'child')).status, 202)
  await assertThere('index', child, [child.digest])
  assert.equal((await remove('index', 'manifests', index.digest)).status, 202)
  assert.equal((await remove('index', 'manifests', child.digest)).status, 202)
  await assertGone('index', ['v1', index.digest, child.digest])
})

test('blobs that the index of a build cache names cannot be deleted', async () => {
  const layer = randomBytes(100)
  const digest = await pushBlob(url, 'cache', layer)
  const cache = manifestOf({ manifests: [descriptorOf(layer)] }, OCI_INDEX)
  await pushManifest(url, 'cache', cache, 'v1')
  await assertNeeded(await remove('cache', 'blobs', digest), digest, cache)
})

test('content that is needed in one repository can be deleted in another', async () => {
  const layer = randomBytes(100_000)
  const digest = await pushBlob(url, 'one', layer)
  await pushImage(url, 'one', 'v1', { layers: [descriptorOf(layer)] })
  await pushBlob(url, 'two', layer)
  assert.equal((await remove('two', 'blobs', digest)).status, 202)
  assert.deepEqual(await bytesOf(await fetch(`${url}/v2/one/blobs/${digest}`)), layer)
})

test('a manifest that does not exist cannot be deleted: 404, with the repository', async () => {
  await pushImage(url, 'present', 'v1')
  const digest = `sha256:${'0'.repeat(64)}`
  for (const [kind, reference, code] of [
    ['manifests', 'v2', 'MANIFEST_UNKNOWN'],
    ['manifests', digest, 'MANIFEST_UNKNOWN'],
    ['blobs', digest, 'BLOB_UNKNOWN'],
  ] as const) {
    for (const [name, expected] of [
      ['present', code],
      ['nowhere', 'NAME_UNKNOWN'],
    ] as const) {
      const refused = await remove(name, kind, reference)
      assert.equal(refused.status, 404)
      assert.deepEqual(await errorCodes(refused), [expected])
    }
  }
})

test('of a push of a manifest and the deletion of its blob at once either one happens or the other', async () => {
  for (let turn = 0; turn < 12; turn++) {
    const layer = randomBytes(100)
    const digest = await pushBlob(url, 'race', layer)
    const manifest = manifestOf({ layers: [descriptorOf(layer)] })
    const first = turn % 2 === 0 ? remove('race', 'blobs', digest) : undefined
    const push = pushManifest(url, 'race', manifest)
    const [pushed, deleted] = await Promise.all([push, first ?? remove('race', 'blobs', digest)])
    assert.ok(['201 405', '400 202'].includes(`${pushed.status} ${deleted.status}`))
    const blob = await fetch(`${url}/v2/race/blobs/${digest}`)
    const pulled = await fetch(`${url}/v2/race/manifests/${manifest.digest}`)
    assert.equal(blob.status, pushed.status === 201 ? 200 : 404)
    assert.equal(pulled.status, pushed.status === 201 ? 200 : 404)
  }
})
