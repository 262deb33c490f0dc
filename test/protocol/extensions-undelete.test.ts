import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  digestOf,
  manifestDescriptor,
  manifestOf,
  OCI_INDEX,
  pushArtifact,
  pushBlob,
  pushImage,
  pushManifest,
  type TestManifest,
} from '../content.ts'
import { type ClockedRegistry, clockedRegistry } from './clocked-registry.ts'
import { answered, BAD_BODIES, postJson, refusedBy } from './extension-posts.ts'
import { startForFile } from './file-server.ts'

const { url } = await startForFile()

function undelete(name: string, body: unknown): Promise<Response> {
  return postJson(url, `${name} manifests/undelete`, body)
}

async function purge(name: string, digest: string): Promise<Response> {
  return await fetch(`${url}/v2/${name}/_stowage/manifests/purge?digest=${digest}`, { method: 'DELETE' })
}

async function remove(name: string, path: string): Promise<void> {
  const removed = await fetch(`${url}/v2/${name}/${path}`, { method: 'DELETE' })
  assert.equal(removed.status, 202, await removed.text())
}

async function statusOf(name: string, path: string): Promise<number> {
  return (await fetch(`${url}/v2/${name}/${path}`)).status
}

/** The blobs that an image names. */
function blobsOf({ bytes }: TestManifest): string[] {
  const { config, layers } = JSON.parse(String(bytes)) as {
    config: { digest: string }
    layers: { digest: string }[]
  }
  return [config.digest, ...layers.map(({ digest }) => digest)]
}

/** An index of one image, both tagged. */
async function pushIndex(name: string): Promise<{ index: TestManifest; image: TestManifest }> {
  const image = await pushImage(url, name)
  const index = manifestOf({ manifests: [manifestDescriptor(image)] }, OCI_INDEX)
  for (const tag of ['v1', 'latest']) await pushManifest(url, name, index, tag)
  return { index, image }
}

test('a deleted index is restored with everything that it names, and with the requested tags', async () => {
  const name = 'undelete/index'
  const { index, image } = await pushIndex(name)
  for (const { digest } of [index, image]) await remove(name, `manifests/${digest}`)
  const body = { digest: index.digest, tags: ['v1', 'v2', 'v1'] }
  const previousTags = ['latest', 'v1']
  const answer = await undelete(name, body)
  assert.equal(answer.headers.get('content-type'), 'application/vnd.stowage.undelete.v1+json')
  assert.deepEqual(await answered(answer), { name, digest: index.digest, tags: ['v1', 'v2'], previousTags })
  const { tags } = (await (await fetch(`${url}/v2/${name}/tags/list`)).json()) as { tags: string[] }
  assert.deepEqual(tags, ['v1', 'v2'])
  for (const { digest, bytes } of [index, image]) {
    assert.equal(await (await fetch(`${url}/v2/${name}/manifests/${digest}`)).text(), String(bytes))
  }
  for (const blob of blobsOf(image)) assert.equal(await statusOf(name, `blobs/${blob}`), 200)
})

test('a restored referrer is listed again, without tags if none are requested', async () => {
  const name = 'undelete/referrer'
  const subject = await pushImage(url, name, 'v1')
  const referrer = await pushArtifact(url, name, { subject: manifestDescriptor(subject) }, 'signature')
  await remove(name, `manifests/${referrer.digest}`)
  const { tags, previousTags } = await answered(undelete(name, { digest: referrer.digest }))
  assert.deepEqual([tags, previousTags], [[], ['signature']])
  assert.equal(await statusOf(name, 'manifests/signature'), 404)
  const list = await fetch(`${url}/v2/${name}/referrers/${subject.digest}`)
  const { manifests } = (await list.json()) as { manifests: { digest: string }[] }
  assert.deepEqual(
    manifests.map(({ digest }) => digest),
    [referrer.digest],
  )
})

test('missing content is named, and once it is pushed again the manifest can be restored', async () => {
  const name = 'undelete/gone'
  const layers = ['one', 'two'].map((text) => ({ mediaType: 'x/y', digest: digestOf(text), size: 3 }))
  for (const text of ['one', 'two']) await pushBlob(url, name, text)
  const image = await pushArtifact(url, name, { layers })
  await remove(name, `manifests/${image.digest}`)
  for (const { digest } of layers) await remove(name, `blobs/${digest}`)
  const missing = await refusedBy(undelete(name, { digest: image.digest }), 409, 'MANIFEST_BLOB_UNKNOWN')
  assert.match(missing[0].message, /cannot be restored: content that it references has already been removed/)
  const named = missing.map(({ detail }) => detail?.digest)
  assert.deepEqual(named.sort(), layers.map(({ digest }) => digest).sort())
  assert.equal(await statusOf(name, `manifests/${image.digest}`), 404)
  for (const text of ['one', 'two']) await pushBlob(url, name, text)
  await answered(undelete(name, { digest: image.digest }))
  assert.equal(await statusOf(name, `manifests/${image.digest}`), 200)
})

test('a manifest that is not deleted, never existed or is in another repository cannot be restored', async () => {
  const name = 'undelete/refused'
  const image = await pushImage(url, name, 'v1')
  await refusedBy(undelete(name, { digest: image.digest }), 409, 'DENIED')
  await refusedBy(undelete(name, { digest: `sha256:${'0'.repeat(64)}` }), 404, 'MANIFEST_UNKNOWN')
  await refusedBy(undelete('undelete/unknown', { digest: image.digest }), 404, 'NAME_UNKNOWN')
  await pushImage(url, 'undelete/elsewhere', 'v1')
  await remove(name, `manifests/${image.digest}`)
  await refusedBy(undelete('undelete/elsewhere', { digest: image.digest }), 404, 'MANIFEST_UNKNOWN')
})

test('a wrong body is refused with the reason', async () => {
  const name = 'undelete/bad'
  const { digest } = await pushImage(url, name, 'v1')
  for (const [body, message] of [
    ...BAD_BODIES,
    ['{"digest":"latest"}', /^the field "digest" is "latest", not <algorithm>/],
    ['{"digest":7}', /^the field "digest" is 7, not a string/],
    [`{"digest":"${digest}","tags":"v1"}`, /^the field "tags" is "v1", not an array of tags/],
    [`{"digest":"${digest}","tags":["a","b c"]}`, /^the field "tags" is "b c", not up to 128/],
    [`{"digest":"${digest}","tags":[null]}`, /^the field "tags" is null, not a string/],
  ] as const) {
    const [error] = await refusedBy(undelete(name, body), 400, 'UNSUPPORTED')
    assert.match(error.message, message)
  }
})

test('a purged manifest is gone with its tags and the content that only it names, and cannot be restored', async () => {
  const name = 'purge/live'
  await pushBlob(url, name, 'shared')
  const shared = { mediaType: 'x/y', digest: digestOf('shared'), size: 6 }
  const kept = await pushArtifact(url, name, { layers: [shared] }, 'kept')
  await pushBlob(url, name, 'secret')
  const secret = { mediaType: 'x/y', digest: digestOf('secret'), size: 6 }
  for (const isDeletedBefore of [false, true]) {
    const leaked = await pushArtifact(url, name, { layers: [shared, secret] }, 'leaked')
    if (isDeletedBefore) await remove(name, `manifests/${leaked.digest}`)
    assert.equal((await purge(name, leaked.digest)).status, 202)
    for (const path of [`manifests/${leaked.digest}`, 'manifests/leaked', `blobs/${secret.digest}`]) {
      assert.equal(await statusOf(name, path), 404, path)
    }
    for (const path of [`manifests/${kept.digest}`, `blobs/${shared.digest}`]) {
      assert.equal(await statusOf(name, path), 200, path)
    }
    await refusedBy(undelete(name, { digest: leaked.digest }), 404, 'MANIFEST_UNKNOWN')
    await refusedBy(purge(name, leaked.digest), 404, 'MANIFEST_UNKNOWN')
    await pushBlob(url, name, 'secret')
  }
})

test('what another manifest names is not purged, and a digest that is wrong is refused', async () => {
  const name = 'purge/needed'
  const { index, image } = await pushIndex(name)
  const [needed] = await refusedBy(purge(name, image.digest), 405, 'DENIED')
  assert.partialDeepStrictEqual(needed.detail, {
    reason: 'MANIFEST_NEEDED',
    digest: image.digest,
    neededBy: index.digest,
  })
  for (const [digest, message] of [
    ['', /^"digest" is "", not <algorithm>/],
    ['sha256:0', /^"digest" is "sha256:0", not/],
    [`${image.digest}&digest=${index.digest}`, /more than once/],
  ] as const) {
    const [error] = await refusedBy(purge(name, digest), 400, 'UNSUPPORTED')
    assert.match(error.message, message)
  }
  const without = fetch(`${url}/v2/${name}/_stowage/manifests/purge`, { method: 'DELETE' })
  assert.match((await refusedBy(without, 400, 'UNSUPPORTED'))[0].message, /^"digest" is missing$/)
  await refusedBy(purge('purge/unknown', image.digest), 404, 'NAME_UNKNOWN')
  assert.equal(await statusOf(name, `manifests/${image.digest}`), 200)
})

const JSON_TYPE = { 'Content-Type': 'application/json' }
/** More than fits into the database. */
const LAYER = Buffer.alloc(100_000, 'x')

/** Pushes an image of one large layer. @returns its digest */
async function pushLarge(registry: ClockedRegistry): Promise<string> {
  const digest = digestOf(LAYER)
  const config = digestOf('{}')
  await registry.request('POST', `/v2/app/blobs/uploads/?digest=${digest}`, LAYER)
  await registry.request('POST', `/v2/app/blobs/uploads/?digest=${config}`, '{}')
  const image = manifestOf({
    config: { mediaType: 'x/y', digest: config, size: 2 },
    layers: [{ mediaType: 'x/y', digest, size: LAYER.length }],
  })
  const headers = { 'Content-Type': image.mediaType }
  const pushed = await registry.request('PUT', '/v2/app/manifests/v1', image.bytes, headers)
  assert.equal(pushed.status, 201)
  return image.digest
}

test('a deleted manifest is kept for the time that is set, and its bytes with it', async (t) => {
  const registry = await clockedRegistry(t, { deletedManifests: 1_000_000 })
  const digest = await pushLarge(registry)
  const ask = () =>
    registry.request('POST', '/v2/app/_stowage/manifests/undelete', JSON.stringify({ digest }), JSON_TYPE)
  for (const [wait, status, files] of [
    [900_000, 200, 1],
    [1_100_000, 404, 0],
  ] as const) {
    assert.equal((await registry.request('DELETE', `/v2/app/manifests/${digest}`)).status, 202)
    registry.pass(wait)
    await registry.sweepOut()
    const answer = await ask()
    assert.equal(answer.status, status, await answer.text())
    if (status === 404) {
      registry.pass(1_000_000)
      await registry.sweepOut()
    }
    assert.equal(await registry.files(), files)
  }
})

test('where no time is set a deleted manifest is not kept', async (t) => {
  const registry = await clockedRegistry(t, { deletedManifests: 0 })
  const digest = await pushLarge(registry)
  await registry.request('DELETE', `/v2/app/manifests/${digest}`)
  const body = JSON.stringify({ digest })
  const answer = registry.request('POST', '/v2/app/_stowage/manifests/undelete', body, JSON_TYPE)
  await refusedBy(answer, 404, 'MANIFEST_UNKNOWN')
})

test("the bytes of a purged manifest's content are gone from the disk a minute later", async (t) => {
  const registry = await clockedRegistry(t, { deletedManifests: 1_000_000 })
  const digest = await pushLarge(registry)
  assert.equal(await registry.files(), 1)
  await registry.request('DELETE', `/v2/app/manifests/${digest}`)
  const purged = await registry.request('DELETE', `/v2/app/_stowage/manifests/purge?digest=${digest}`)
  assert.equal(purged.status, 202)
  await registry.sweepOut()
  assert.equal(await registry.files(), 0)
})
