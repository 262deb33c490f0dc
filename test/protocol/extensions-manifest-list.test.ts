import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  descriptorOf,
  EMPTY_CONFIG,
  manifestDescriptor,
  manifestOf,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_MANIFEST,
  pushArtifact,
  pushBlob,
  pushImage,
  pushManifest,
  type TestManifest,
} from '../content.ts'
import { startStowage, temporaryFolder } from '../stowage.ts'
import { startForFile } from './file-server.ts'
import { followLinks, nextOf } from './pages.ts'

const OWN = 'application/vnd.stowage.manifests.v1+json'
const { url } = await startForFile()

interface Entry {
  digest: string
  tags: string[]
  pushedAt: string
  [field: string]: unknown
}

function listUrl(name: string, query = ''): string {
  return `${url}/v2/${name}/_stowage/manifests/list${query}`
}

async function list(name: string, query = ''): Promise<Entry[]> {
  const pages = await followLinks<{ name: string; manifests: Entry[] }>(listUrl(name, query))
  for (const page of pages) assert.equal(page.name, name)
  return pages.flatMap(({ manifests }) => manifests)
}

async function digests(name: string, query = ''): Promise<string[]> {
  return (await list(name, query)).map(({ digest }) => digest)
}

/** Pushes an image of one platform with labels. */
async function pushLabelled(name: string, labels: object, reference: string): Promise<TestManifest> {
  const config = JSON.stringify({
    architecture: 'arm',
    variant: 'v7',
    os: 'linux',
    config: { Labels: labels },
    name,
  })
  await pushBlob(url, name, config)
  const manifest = manifestOf({
    config: descriptorOf(config, OCI_CONFIG),
    layers: [],
    annotations: { reference },
  })
  assert.equal((await pushManifest(url, name, manifest, reference)).status, 201)
  return manifest
}

async function pushIndex(
  name: string,
  children: readonly TestManifest[],
  reference?: string,
): Promise<TestManifest> {
  const index = manifestOf({ manifests: children.map(manifestDescriptor) }, OCI_INDEX)
  assert.equal((await pushManifest(url, name, index, reference)).status, 201)
  return index
}

/** Lets the registry's clock go on. */
async function nextMillisecond(): Promise<void> {
  for (const start = Date.now(); Date.now() === start; ) await fetch(`${url}/v2/`)
}

test('every manifest is listed in the order of first pushes, with all that is known of it', async () => {
  const name = 'list/all'
  const image = await pushImage(url, name, 'v1')
  await pushManifest(url, name, image, 'latest')
  const child = await pushImage(url, name)
  const index = await pushIndex(name, [child], 'multi')
  const signature = await pushArtifact(url, name, {
    artifactType: 'application/x.signature',
    subject: manifestDescriptor(image),
    annotations: { by: 'me' },
  })
  await pushManifest(url, name, image, 'again')

  const response = await fetch(listUrl(name))
  assert.equal(response.headers.get('content-type'), OWN)
  assert.equal(response.headers.get('link'), null)
  const body = (await response.json()) as { name: string; manifests: Entry[] }
  const times = body.manifests.map(({ pushedAt }) => pushedAt)
  assert.deepEqual(times, [...times].sort())
  const layers = ({ bytes }: TestManifest) => {
    const { config, layers: all } = JSON.parse(String(bytes)) as {
      config: { size: number }
      layers: { size: number }[]
    }
    return config.size + all.reduce((sum, { size }) => sum + size, 0)
  }
  const imageType = { mediaType: OCI_MANIFEST, artifactType: OCI_CONFIG }
  const platform = { os: 'linux', architecture: 'amd64' }
  const expected = [
    {
      ...{ ...imageType, digest: image.digest, size: image.size, tags: ['again', 'latest', 'v1'], platform },
      totalSize: image.size + layers(image),
    },
    {
      ...{
        ...imageType,
        digest: child.digest,
        size: child.size,
        tags: [],
        parents: [index.digest],
        platform,
      },
      totalSize: child.size + layers(child),
    },
    {
      ...{ mediaType: OCI_INDEX, digest: index.digest, size: index.size, tags: ['multi'] },
      totalSize: index.size + child.size + layers(child),
    },
    {
      ...{ mediaType: OCI_MANIFEST, artifactType: 'application/x.signature', annotations: { by: 'me' } },
      ...{ digest: signature.digest, size: signature.size, tags: [], subject: image.digest },
      totalSize: signature.size + EMPTY_CONFIG.size,
    },
  ]
  assert.deepEqual(body, {
    name,
    manifests: expected.map((entry, index) => ({ ...entry, pushedAt: times[index] })),
  })
})

test('each order can be paged through in both directions, one manifest at a time', async () => {
  const name = 'list/orders'
  const layer = 'x'.repeat(5000)
  await pushBlob(url, name, layer)
  const large = await pushArtifact(url, name, { layers: [descriptorOf(layer)] })
  const small = await pushArtifact(url, name, { annotations: { size: 'small' } })
  const middle = await pushArtifact(url, name, { annotations: { size: 'm'.repeat(500) } })
  const pushed = [large, small, middle].map(({ digest }) => digest)
  const orders = {
    pushed,
    size: [small, middle, large].map(({ digest }) => digest),
    digest: [...pushed].sort(),
  }
  assert.deepEqual(await digests(name, '?n=1'), pushed)
  for (const [sort, expected] of Object.entries(orders)) {
    assert.deepEqual(await digests(name, `?n=1&sort=${sort}`), expected, sort)
    assert.deepEqual(await digests(name, `?n=2&sort=-${sort}`), expected.toReversed(), `-${sort}`)
  }
  assert.deepEqual((await digests(name, '?n=2&sort=pulled')).sort(), orders.digest)
})

test('filters say which manifests are listed, and are named in the answer', async () => {
  const name = 'list/filters'
  const nightly = await pushLabelled(name, { build: 'nightly', 'org.x/base': 'alpine:3' }, 'nightly-1')
  await nextMillisecond()
  const release = await pushLabelled(name, { build: 'release' }, 'v1.0')
  await nextMillisecond()
  const artifact = await pushArtifact(url, name, {
    artifactType: 'application/x+json',
    subject: manifestDescriptor(release),
  })
  const entries = await list(name)
  const [first, second] = entries.map(({ pushedAt }) => pushedAt)
  const all = { nightly, release, artifact }
  const selector = (text: string) => `labelSelector=${encodeURIComponent(text)}`
  for (const [query, expected] of [
    ['tag=nightly-*', ['nightly']],
    ['tag=v?.[0-9]', ['release']],
    ['untagged=true', []],
    ['artifactType=application/x+json', ['artifact']],
    [`artifactType=application/x%2Bjson&artifactType=${OCI_CONFIG}`, ['nightly', 'release', 'artifact']],
    [`mediaType=${OCI_INDEX}`, []],
    ['annotation=reference', ['nightly', 'release']],
    ['annotation=reference=v1.0', ['release']],
    ['annotation=reference&annotation=absent', []],
    [selector('build=nightly'), ['nightly']],
    [selector('build in (nightly, release), !org.x/base'), ['release']],
    [selector('org.x/base="alpine:3"'), ['nightly']],
    [selector('build!=nightly'), ['release', 'artifact']],
    [`subject=${release.digest}`, ['artifact']],
    ['platform=linux/arm', ['nightly', 'release']],
    ['platform=linux/arm/v7', ['nightly', 'release']],
    ['platform=linux/arm/v6', []],
    [`pushedBefore=${second}`, ['nightly']],
    [`pushedAfter=${first}`, ['release', 'artifact']],
    [`pushedAfter=${first}&tag=*`, ['release']],
    ['pulledBefore=2020-01-01T00:00:00Z', []],
    ['pulledBefore=2999-01-01T00:00:00Z', ['nightly', 'release', 'artifact']],
  ] as const) {
    const found = await digests(name, `?${query}`)
    assert.deepEqual(
      found,
      expected.map((which) => all[which].digest),
      query,
    )
    const names = [...new Set(query.split('&').map((part) => part.split('=')[0]))].sort()
    const answer = await fetch(listUrl(name, `?${query}`), { method: 'HEAD' })
    assert.deepEqual(answer.headers.get('oci-filters-applied')?.split(',').sort(), names, query)
  }
})

test('nothing that a tag reaches is untagged, through indexes and as referrers of referrers', async () => {
  const name = 'list/untagged'
  const child = await pushImage(url, name)
  await pushIndex(name, [await pushIndex(name, [child])], 'v1')
  const signature = await pushArtifact(url, name, { artifactType: 'a/s', subject: manifestDescriptor(child) })
  await pushArtifact(url, name, { artifactType: 'a/t', subject: manifestDescriptor(signature) })
  const orphan = await pushImage(url, name)
  const ofOrphan = await pushArtifact(url, name, { artifactType: 'a/s', subject: manifestDescriptor(orphan) })
  assert.deepEqual(await digests(name, '?untagged=true'), [orphan.digest, ofOrphan.digest])
})

test('the ETag is the same until the repository changes, and HEAD returns it', async () => {
  const name = 'list/state'
  const image = await pushImage(url, name, 'v1')
  const tagOf = async (query = '') => {
    const [get, head] = await Promise.all([
      fetch(listUrl(name, query)),
      fetch(listUrl(name, query), { method: 'HEAD' }),
    ])
    assert.equal(get.status, 200)
    assert.equal(head.headers.get('etag'), get.headers.get('etag'))
    return get.headers.get('etag') ?? ''
  }
  const first = await tagOf()
  await pushImage(url, 'list/other', 'v1')
  await fetch(`${url}/v2/${name}/manifests/v1`)
  const same = await fetch(listUrl(name), { headers: { 'If-None-Match': first } })
  assert.equal(same.status, 304)
  await pushManifest(url, name, image, 'v2')
  const second = await tagOf()
  assert.notEqual(second, first)
  assert.equal((await fetch(listUrl(name), { headers: { 'If-None-Match': first } })).status, 200)
  assert.notEqual(await tagOf('?tag=v1'), second)
})

test('a list that shows pulls has no ETag', async () => {
  const name = 'list/pulls'
  await pushImage(url, name, 'v1')
  for (const query of [
    'fields=pulledAt',
    'sort=pulled',
    'sort=-pulled',
    'pulledBefore=2999-01-01T00:00:00Z',
  ]) {
    const answer = await fetch(listUrl(name, `?${query}`), { headers: { 'If-None-Match': '*' } })
    assert.equal(answer.status, 200, query)
    assert.equal(answer.headers.get('etag'), null, query)
  }
})

test('pull times are shown on request, and are not lost when the server stops', async (t) => {
  const data = await temporaryFolder(t)
  const server = await startStowage(t, { data })
  const image = await pushImage(server.url, 'app', 'v1')
  await pushImage(server.url, 'app', 'v2')
  const before = Date.now()
  await (await fetch(`${server.url}/v2/app/manifests/v1`)).arrayBuffer()
  await server.close()
  const after = Date.now()
  const again = await startStowage(t, { data })
  const target = `${again.url}/v2/app/_stowage/manifests/list?fields=pulledAt&sort=-pulled`
  const { manifests } = (await (await fetch(target)).json()) as {
    manifests: (Entry & { pulledAt?: string })[]
  }
  const [first, second] = manifests
  assert.equal(first?.digest, image.digest)
  const pulled = Date.parse(first?.pulledAt ?? '')
  assert.ok(pulled >= before && pulled <= after, `${first?.pulledAt}`)
  assert.ok(second !== undefined && !('pulledAt' in second))
})

test('as an OCI index the list has each tag as a reference name', async () => {
  const name = 'list/index'
  const image = await pushImage(url, name, 'v1', {
    annotations: { 'org.opencontainers.image.ref.name': 'x', a: 'b' },
  })
  await pushManifest(url, name, image, 'v2')
  const plain = await pushImage(url, name)
  const answer = await fetch(listUrl(name, '?n=5'), { headers: { Accept: OCI_INDEX } })
  assert.equal(answer.headers.get('content-type'), OCI_INDEX)
  const platform = { os: 'linux', architecture: 'amd64' }
  const entry = (manifest: TestManifest) => ({
    ...manifestDescriptor(manifest),
    artifactType: OCI_CONFIG,
    platform,
  })
  const named = (tag: string) => ({ a: 'b', 'org.opencontainers.image.ref.name': tag })
  assert.deepEqual(await answer.json(), {
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: [
      { ...entry(image), annotations: named('v1') },
      { ...entry(image), annotations: named('v2') },
      entry(plain),
    ],
  })
})

test('the proposed path is the list only for our media type, and otherwise the tag of that name', async () => {
  const name = 'list/alias'
  const target = `${url}/v2/${name}/manifests/list`
  const image = await pushImage(url, name)
  const get = (accept: string, method = 'GET') => fetch(target, { method, headers: { Accept: accept } })
  assert.equal((await get('*/*')).status, 404)
  const pushed = await fetch(target, {
    method: 'PUT',
    headers: { 'Content-Type': OCI_MANIFEST, Accept: OWN },
    body: new Uint8Array(image.bytes),
  })
  assert.equal(pushed.status, 201)
  for (const accept of ['*/*', OCI_MANIFEST, `${OWN}, */*`, `${OWN}, ${OCI_MANIFEST}`, 'application/json']) {
    const answer = await get(accept)
    assert.equal(answer.headers.get('docker-content-digest'), image.digest, accept)
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), image.bytes)
  }
  const listed = await get(OWN)
  assert.equal(listed.headers.get('content-type'), OWN)
  const body = await listed.text()
  assert.equal(body, await (await fetch(listUrl(name))).text())
  assert.equal((await get(OWN, 'HEAD')).headers.get('etag'), listed.headers.get('etag'))
  assert.equal((await get(OWN, 'DELETE')).status, 202)
  assert.equal((await get('*/*')).status, 404)
})

test('what stood there all the time is neither skipped nor repeated while others are pushed and deleted', async () => {
  for (const order of ['', '&sort=-pushed', '&sort=digest', '&sort=-digest']) {
    const name = `list/moving${order.replace(/&sort=-?/, '')}${order.includes('-') ? 1 : 0}`
    const images: string[] = []
    for (let count = 0; count < 9; count++) images.push((await pushImage(url, name)).digest)
    const leaving = images.filter((_, index) => index % 3 === 1)
    const staying = images.filter((digest) => !leaving.includes(digest))
    const found: string[] = []
    for (let next: URL | undefined = new URL(listUrl(name, `?n=2${order}`)); next !== undefined; ) {
      const page = await fetch(next)
      const { manifests } = (await page.json()) as { manifests: Entry[] }
      found.push(...manifests.map(({ digest }) => digest))
      next = nextOf(page)
      const gone = leaving.pop()
      if (gone !== undefined) await fetch(`${url}/v2/${name}/manifests/${gone}`, { method: 'DELETE' })
      if (found.length < 9) await pushImage(url, name)
    }
    const shown = found.filter((digest) => staying.includes(digest))
    assert.deepEqual(shown.toSorted(), staying.toSorted(), order)
  }
})
