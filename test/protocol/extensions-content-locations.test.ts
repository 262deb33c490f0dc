import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  descriptorOf,
  digestOf,
  EMPTY_CONFIG,
  errorCodes,
  manifestDescriptor,
  manifestOf,
  pushArtifact,
  pushBlob,
  pushManifest,
  type TestManifest,
} from '../content.ts'
import { startForFile } from './file-server.ts'
import { openRegistry } from './open-registry.ts'

const OWN = 'application/vnd.stowage.content-locations.v1+json'
const REGISTERED = 'application/vnd.stowage.locations.v1+json'
const { url } = await startForFile()

interface Locations {
  digest: string
  size?: number
  locations: { type: string; url: string; priority: number }[]
}

async function locate(repository: string, digest: string): Promise<Locations> {
  const level = repository === '' ? '' : `${repository}/`
  const answer = await fetch(`${url}/v2/${level}_stowage/content/locations?digest=${digest}`)
  assert.equal(answer.status, 200, await answer.clone().text())
  assert.equal(answer.headers.get('content-type'), OWN)
  return (await answer.json()) as Locations
}

function urls({ locations }: Locations, type: string): string[] {
  return locations.filter((location) => location.type === type).map((location) => location.url)
}

/** An image with one layer, whose descriptor has whatever else is given. */
async function pushLayered(name: string, layer: string, extra: object = {}): Promise<TestManifest> {
  await pushBlob(url, name, '{}')
  const manifest = manifestOf({ config: EMPTY_CONFIG, layers: [{ ...descriptorOf(layer), ...extra }] })
  const pushed = await pushManifest(url, name, manifest)
  assert.equal(pushed.status, 201, await pushed.text())
  return manifest
}

/** What `oras attach --artifact-type … --annotation …` pushes. */
async function register(
  name: string,
  subject: TestManifest,
  annotations: Record<string, string>,
  artifactType: string = REGISTERED,
): Promise<TestManifest> {
  return await pushArtifact(url, name, { artifactType, subject: manifestDescriptor(subject), annotations })
}

test('the registry names itself, then each repository that has the content', async () => {
  const digest = await pushBlob(url, 'where/one', 'where')
  await pushBlob(url, 'where/two', 'where')
  assert.deepEqual(await locate('', digest), {
    digest,
    size: 5,
    locations: [
      { type: 'registry', url: `/v2/_stowage/content/data?digest=${digest}`, priority: 0 },
      { type: 'registry', url: `/v2/where/one/blobs/${digest}`, priority: 1 },
      { type: 'registry', url: `/v2/where/two/blobs/${digest}`, priority: 1 },
    ],
  })
  const expected = [
    { type: 'registry', url: `/v2/where/two/blobs/${digest}`, priority: 0 },
    { type: 'registry', url: `/v2/where/one/blobs/${digest}`, priority: 1 },
  ]
  assert.deepEqual((await locate('where/two', digest)).locations, expected)
  for (const { url: path } of (await locate('', digest)).locations) {
    assert.equal(await (await fetch(new URL(path, url))).text(), 'where')
  }
})

test('a manifest is had where manifests are', async () => {
  await pushBlob(url, 'where/image', 'layer of an image')
  const image = await pushLayered('where/image', 'layer of an image')
  const { size, locations } = await locate('where/image', image.digest)
  assert.equal(size, image.size)
  assert.deepEqual(locations, [
    { type: 'registry', url: `/v2/where/image/manifests/${image.digest}`, priority: 0 },
  ])
})

test('the urls of descriptors are passed on, if a client could follow them', async () => {
  const good = ['https://mirror.example/layer.tar', 'ftp://old.example/layer.tar?x=y#z']
  const bad = [
    'https://user:password@mirror.example/x',
    'layer.tar',
    'file:///etc/passwd',
    'javascript:alert(1)',
  ]
  const layer = 'not distributable'
  const image = await pushLayered('foreign/app', layer, { urls: [...bad, ...good, ...good] })
  const { digest } = descriptorOf(layer)
  const found = await locate('foreign/app', digest)
  assert.deepEqual(found, {
    digest,
    size: layer.length,
    locations: good.map((one) => ({ type: 'descriptor', url: one, priority: 2 })),
  })
  assert.deepEqual(urls(await locate('foreign/app', image.digest), 'descriptor'), [])
  // Nobody has it: without a repository there is nothing to find it by.
  const unknown = await fetch(`${url}/v2/_stowage/content/locations?digest=${digest}`)
  assert.equal(unknown.status, 404)
})

test('names of any protocol are registered for an image and for its layers by an artifact that refers to it', async () => {
  const layer = await pushBlob(url, 'named/app', 'named layer')
  const image = await pushLayered('named/app', 'named layer')
  const registered = await register('named/app', image, {
    [image.digest]: 'oci+p2p://swarm/abc',
    [layer]: ' ipfs://bafylayer  https://mirror.example/layer\nipfs://bafylayer file:///x ',
    [digestOf('something else')]: 'ipfs://else',
    'org.example.note': 'https://note.example/x',
  })
  await register('named/app', image, { [layer]: 'https://other-type.example/x' }, 'application/vnd.example.x')
  for (const repository of ['named/app', '']) {
    assert.deepEqual(urls(await locate(repository, image.digest), 'referrer'), ['oci+p2p://swarm/abc'])
    const found = await locate(repository, layer)
    assert.deepEqual(urls(found, 'referrer'), ['ipfs://bafylayer', 'https://mirror.example/layer'])
    const order = found.locations.map(({ priority }) => priority)
    assert.deepEqual(order, order.toSorted())
  }
  const removed = await fetch(`${url}/v2/named/app/manifests/${registered.digest}`, { method: 'DELETE' })
  assert.equal(removed.status, 202)
  assert.deepEqual(urls(await locate('named/app', layer), 'referrer'), [])
})

test('names that another repository registered are not listed for this one', async () => {
  const layer = await pushBlob(url, 'apart/one', 'apart')
  await pushBlob(url, 'apart/two', 'apart')
  const image = await pushLayered('apart/one', 'apart')
  await register('apart/one', image, { [layer]: 'ipfs://one' })
  assert.deepEqual(urls(await locate('apart/two', layer), 'referrer'), [])
  assert.deepEqual(urls(await locate('', layer), 'referrer'), ['ipfs://one'])
})

test('asking where content is does not count as pulling the manifests that name it', async (t) => {
  const { ask, registry } = await openRegistry(t, (registry) => registry)
  const { digest } = descriptorOf('quiet')
  const layers = [{ ...descriptorOf('quiet'), urls: ['https://mirror.example/quiet'] }]
  const manifest = manifestOf({ layers })
  const headers = { 'Content-Type': manifest.mediaType }
  const body = new Uint8Array(manifest.bytes)
  const pushed = await ask('PUT', `/v2/quiet/app/manifests/${manifest.digest}`, { headers, body })
  assert.equal(pushed.status, 201)
  const pullTimes = async () => {
    await registry.close()
    const list = await ask('GET', '/v2/quiet/app/_stowage/manifests/list?fields=pulledAt')
    const { manifests } = (await list.json()) as { manifests: { pulledAt?: string }[] }
    return manifests.map(({ pulledAt }) => typeof pulledAt)
  }
  const found = await ask('GET', `/v2/quiet/app/_stowage/content/locations?digest=${digest}`)
  assert.deepEqual(urls((await found.json()) as Locations, 'descriptor'), ['https://mirror.example/quiet'])
  assert.deepEqual(await pullTimes(), ['undefined'])
  assert.equal((await ask('GET', `/v2/_stowage/content/data?digest=${manifest.digest}`)).status, 200)
  assert.deepEqual(await pullTimes(), ['string'])
})

test('at most a hundred locations are listed, however many are registered', async () => {
  const layer = await pushBlob(url, 'many/app', 'many')
  const image = await pushLayered('many/app', 'many')
  const places = Array.from({ length: 300 }, (_, index) => `https://mirror.example/${index}`)
  await register('many/app', image, { [layer]: places.join(' ') })
  const { locations } = await locate('many/app', layer)
  assert.equal(locations.length, 100)
  assert.deepEqual(
    locations.slice(1).map((location) => location.url),
    places.slice(0, 99),
  )
})

test('a client that asks for plain JSON gets it', async () => {
  const digest = await pushBlob(url, 'plain/app', 'plain')
  const headers = { Accept: 'application/json' }
  const answer = await fetch(`${url}/v2/_stowage/content/locations?digest=${digest}`, { headers })
  assert.equal(answer.headers.get('content-type'), 'application/json')
  assert.equal(answer.headers.get('vary'), 'Accept')
})

test('unknown content is 404, and an invalid digest is refused', async () => {
  const unknown = digestOf('nobody pushed this')
  for (const [level, code] of [
    ['', 'BLOB_UNKNOWN'],
    ['where/one/', 'BLOB_UNKNOWN'],
    ['nobody/app/', 'NAME_UNKNOWN'],
  ] as const) {
    const answer = await fetch(`${url}/v2/${level}_stowage/content/locations?digest=${unknown}`)
    assert.equal(answer.status, 404)
    assert.deepEqual(await errorCodes(answer), [code])
    const refused = await fetch(`${url}/v2/${level}_stowage/content/locations?digest=x`)
    assert.equal(refused.status, 400)
    assert.match(await refused.text(), /"digest\\" is \\"x\\", not <algorithm>/)
  }
})
