import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import {
  descriptorOf,
  manifestDescriptor,
  manifestOf,
  OCI_CONFIG,
  OCI_INDEX,
  pushBlob,
  pushImage,
  pushManifest,
  type TestManifest,
} from '../content.ts'
import { startStowage, type TestServer, temporaryFolder } from '../stowage.ts'

const CONFIG = '{"architecture":"arm64","os":"linux"}'
const LAYER = 'a layer of the child that comes later'

interface Entry {
  digest: string
  missing?: string[]
  parents?: string[]
  totalSize: number
}

/** An index of an image that is there and of one that is not. */
async function sparseIndex(
  url: string,
): Promise<{ index: TestManifest; here: TestManifest; late: TestManifest }> {
  const here = await pushImage(url, 'app')
  const late = manifestOf({ config: descriptorOf(CONFIG, OCI_CONFIG), layers: [descriptorOf(LAYER)] })
  const index = manifestOf({ manifests: [here, late].map(manifestDescriptor) }, OCI_INDEX)
  return { index, here, late }
}

async function pushLate(url: string, late: TestManifest): Promise<void> {
  for (const blob of [CONFIG, LAYER]) await pushBlob(url, 'app', blob)
  assert.equal((await pushManifest(url, 'app', late)).status, 201)
}

async function entryOf({ url }: TestServer, { digest }: TestManifest): Promise<Entry> {
  const list = await fetch(`${url}/v2/app/_stowage/manifests/list`)
  const { manifests } = (await list.json()) as { manifests: Entry[] }
  const entry = manifests.find((one) => one.digest === digest)
  assert.ok(entry !== undefined, digest)
  return entry
}

async function startAllowing(t: TestContext): Promise<TestServer> {
  return await startStowage(t, { sparseIndexes: 'allow' })
}

async function statusOf({ url }: TestServer, { digest }: TestManifest, method = 'GET'): Promise<number> {
  return (await fetch(`${url}/v2/app/manifests/${digest}`, { method })).status
}

test('an index with missing manifests is refused, and the refusal names the setting', async (t) => {
  const { url } = await startStowage(t)
  const { index, late } = await sparseIndex(url)
  const refused = await pushManifest(url, 'app', index, 'v1')
  assert.equal(refused.status, 400)
  const requestId = refused.headers.get('x-request-id')
  const { errors } = (await refused.json()) as { errors: { code: string; message: string; detail: object }[] }
  assert.deepEqual(
    errors.map(({ code, detail }) => [code, detail]),
    [['MANIFEST_BLOB_UNKNOWN', { reason: 'MANIFEST_BLOB_UNKNOWN', digest: late.digest, requestId }]],
  )
  assert.match(errors[0]?.message ?? '', /--sparse-indexes allow/)
  const image = await pushManifest(url, 'app', late, 'v1')
  const { errors: ofImage } = (await image.json()) as { errors: { message: string }[] }
  assert.doesNotMatch(ofImage[0]?.message ?? '', /sparse/)
})

test('if sparse indexes are allowed, missing manifests are listed, are 404, and complete the index once they are pushed', async (t) => {
  const server = await startAllowing(t)
  const { url } = server
  const { index, here, late } = await sparseIndex(url)
  assert.equal((await pushManifest(url, 'app', index, 'v1')).status, 201)
  assert.equal(await statusOf(server, index), 200)
  assert.equal(await statusOf(server, here), 200)
  for (const method of ['GET', 'HEAD']) assert.equal(await statusOf(server, late, method), 404)
  const before = await entryOf(server, index)
  assert.deepEqual(before.missing, [late.digest])

  await pushLate(url, late)
  assert.equal(await statusOf(server, late), 200)
  const after = await entryOf(server, index)
  assert.equal(after.missing, undefined)
  assert.equal(after.totalSize, before.totalSize + CONFIG.length + LAYER.length)
  assert.deepEqual((await entryOf(server, late)).parents, [index.digest])
})

test('what an image names must be there even where sparse indexes are allowed', async (t) => {
  const { url } = await startAllowing(t)
  const { late } = await sparseIndex(url)
  assert.equal((await pushManifest(url, 'app', late, 'v1')).status, 400)
})

test('a manifest that was pushed after its sparse index cannot be deleted while the index names it', async (t) => {
  const server = await startAllowing(t)
  const { url } = server
  const { index, here, late } = await sparseIndex(url)
  await pushManifest(url, 'app', index, 'v1')
  assert.equal(await statusOf(server, here, 'DELETE'), 405)
  assert.equal(await statusOf(server, late, 'DELETE'), 404)
  await pushLate(url, late)
  assert.equal(await statusOf(server, late, 'DELETE'), 405)
  assert.equal(await statusOf(server, index, 'DELETE'), 202)
  assert.equal(await statusOf(server, late, 'DELETE'), 202)
  assert.equal(await statusOf(server, here, 'DELETE'), 202)
})

test('a deleted sparse index is restored as it was, with the same manifests missing', async (t) => {
  const server = await startAllowing(t)
  const { url } = server
  const { index, here, late } = await sparseIndex(url)
  await pushManifest(url, 'app', index, 'v1')
  assert.equal(await statusOf(server, index, 'DELETE'), 202)
  assert.equal(await statusOf(server, here, 'DELETE'), 202)
  const body = JSON.stringify({ digest: index.digest, tags: ['v1'] })
  const headers = { 'Content-Type': 'application/json' }
  const undeleted = await fetch(`${url}/v2/app/_stowage/manifests/undelete`, {
    method: 'POST',
    headers,
    body,
  })
  assert.equal(undeleted.status, 200, await undeleted.text())
  assert.equal(await statusOf(server, here), 200)
  assert.equal(await statusOf(server, late), 404)
  assert.deepEqual((await entryOf(server, index)).missing, [late.digest])
})

test('a sparse index stays when sparse indexes are no longer allowed, and is completed as before', async (t) => {
  const data = await temporaryFolder(t)
  const allowing = await startStowage(t, { data, sparseIndexes: 'allow' })
  const { index, late } = await sparseIndex(allowing.url)
  await pushManifest(allowing.url, 'app', index, 'v1')
  await allowing.close()

  const refusing = await startStowage(t, { data })
  assert.equal(await statusOf(refusing, index), 200)
  assert.deepEqual((await entryOf(refusing, index)).missing, [late.digest])
  assert.equal((await pushManifest(refusing.url, 'app', index, 'v2')).status, 400)
  await pushLate(refusing.url, late)
  assert.equal((await entryOf(refusing, index)).missing, undefined)
  assert.equal((await pushManifest(refusing.url, 'app', index, 'v2')).status, 201)
})

test('sparse indexes can be allowed only in some repositories', async (t) => {
  const { url } = await startStowage(t, { sparseIndexes: 'mirror/**=allow,refuse' })
  const late = manifestOf({ config: descriptorOf(CONFIG, OCI_CONFIG), layers: [descriptorOf(LAYER)] })
  const index = manifestOf({ manifests: [manifestDescriptor(late)] }, OCI_INDEX)
  const statuses = async (repositories: string[]) => {
    const answers = await Promise.all(repositories.map((name) => pushManifest(url, name, index, 'v1')))
    return answers.map(({ status }) => status)
  }
  assert.deepEqual(
    await statuses(['mirror/library/app', 'mirror/app', 'mirror', 'team/mirror/app']),
    [201, 201, 400, 400],
  )
})
