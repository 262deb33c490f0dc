import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errorCodes, pushImage, pushManifest, type TestManifest } from '../content.ts'
import { listChanges } from './changes.ts'
import { type ClockedRegistry, clockedRegistry, RETENTION } from './clocked-registry.ts'
import { startForFile } from './file-server.ts'
import { followLinks, nextOf } from './pages.ts'

const OWN = 'application/vnd.stowage.tags.v1+json'
const { url } = await startForFile()

interface Tags {
  name: string
  revision: number
  tags: { tag: string; digest: string; updateTimestamp: string; revision: number; available: boolean }[]
}

function tagsUrl(name: string, query = ''): string {
  return `${url}/v2/${name}/_stowage/tags/list${query}`
}

async function tags(name: string, query = ''): Promise<Record<string, string>> {
  const pages = await followLinks<Tags>(tagsUrl(name, query))
  const all = pages.flatMap((page) => page.tags)
  const names = all.map(({ tag }) => tag)
  assert.deepEqual(names, [...new Set(names)].sort())
  return Object.fromEntries(all.map(({ tag, digest }) => [tag, digest]))
}

async function remove(name: string, reference: string): Promise<void> {
  const removed = await fetch(`${url}/v2/${name}/manifests/${reference}`, { method: 'DELETE' })
  assert.equal(removed.status, 202)
}

/** Sets a tag to a manifest of nothing. */
async function pushTag(registry: ClockedRegistry, tag: string): Promise<Response> {
  return await registry.request('PUT', `/v2/app/manifests/${tag}`, '{"schemaVersion":2,"manifests":[]}', {
    'Content-Type': 'application/vnd.oci.image.index.v1+json',
  })
}

/** Sets, moves and removes some tags in turn. @returns the images that they pointed to */
async function pushLively(name: string): Promise<TestManifest[]> {
  const images = [await pushImage(url, name, 'a'), await pushImage(url, name, 'b')]
  for (const [index, tag] of ['c', 'a', 'd', 'b', 'a'].entries()) {
    const image = images[index % 2]
    assert.ok(image !== undefined)
    await pushManifest(url, name, image, tag)
    if (index % 2 === 1) await remove(name, tag === 'a' ? 'c' : tag)
  }
  return images
}

test('tags are listed as they are, with their digests and since when they are so', async () => {
  const name = 'past/now'
  const first = await pushImage(url, name, 'b')
  const second = await pushImage(url, name, 'a')
  await pushManifest(url, name, second, 'b')
  const answer = await fetch(tagsUrl(name))
  assert.equal(answer.headers.get('content-type'), OWN)
  const body = (await answer.json()) as Tags
  const times = body.tags.map(({ updateTimestamp }) => updateTimestamp)
  const entry = { digest: second.digest, available: true }
  assert.deepEqual(body, {
    name,
    revision: 6,
    tags: [
      { tag: 'a', ...entry, updateTimestamp: times[0], revision: 5 },
      { tag: 'b', ...entry, updateTimestamp: times[1], revision: 6 },
    ],
  })
  await remove(name, 'a')
  assert.deepEqual(await tags(name), { b: second.digest })
  assert.deepEqual(await tags(name, '?at=4'), { b: first.digest })
})

test('the tags at each revision, and at the time of each, are what the change feed says', async () => {
  const name = 'past/replay'
  await pushLively(name)
  const { changes } = await listChanges(url, name, '?since=0')
  assert.ok(changes.length > 10)
  const state = new Map<string, string>()
  const states = changes.map(({ kind, subject, new: digest = '' }) => {
    if (kind === 'tag-set') state.set(subject, digest)
    if (kind === 'tag-removed') state.delete(subject)
    return Object.fromEntries([...state].sort())
  })
  for (const [index, { revision, at }] of changes.entries()) {
    for (const n of [1, 2, 100]) assert.deepEqual(await tags(name, `?at=${revision}&n=${n}`), states[index])
    const last = changes.findLastIndex((change) => change.at <= at)
    const west = new Date(Date.parse(at) - 5 * 3_600_000).toISOString().replace('Z', '-05:00')
    for (const time of [at, west]) assert.deepEqual(await tags(name, `?at=${time}`), states[last])
  }
  assert.deepEqual(await tags(name, '?at=0'), {})
  assert.deepEqual(await tags(name, '?at=1999-12-31T23:59:60Z'), {})
  assert.deepEqual(await tags(name), states.at(-1))
})

test('manifests that no longer exist are marked as such', async () => {
  const name = 'past/available'
  const [first] = await pushLively(name)
  const at = '?at=3'
  const available = async () =>
    ((await (await fetch(tagsUrl(name, at))).json()) as Tags).tags.map((tag) => tag.available)
  assert.deepEqual(await available(), [true])
  const etag = (await fetch(tagsUrl(name, at))).headers.get('etag') ?? ''
  await remove(name, first?.digest ?? '')
  assert.deepEqual(await available(), [false])
  const again = await fetch(tagsUrl(name, at), { headers: { 'If-None-Match': etag } })
  assert.equal(again.status, 200)
})

test('all pages of a list of the past are of one revision, also if something is pushed at that very time', async (t) => {
  const registry = await clockedRegistry(t)
  const push = async (tag: string) => assert.equal((await pushTag(registry, tag)).status, 201)
  for (const tag of ['b', 'd']) await push(tag)
  const now = '2023-11-14T22:13:20Z'
  const found: [number, string][] = []
  for (let next = `/v2/app/_stowage/tags/list?at=${now}&n=1`; next !== ''; ) {
    const page = await registry.request('GET', next)
    const { revision, tags: listed } = (await page.json()) as Tags
    found.push(...listed.map(({ tag }): [number, string] => [revision, tag]))
    next = /<(.*)>/.exec(page.headers.get('link') ?? '')?.[1] ?? ''
    if (found.length === 1) for (const tag of ['a', 'c', 'e']) await push(tag)
  }
  assert.deepEqual(found, [
    [4, 'b'],
    [4, 'd'],
  ])
  const later = await registry.request('GET', `/v2/app/_stowage/tags/list?at=${now}`)
  assert.equal(((await later.json()) as Tags).tags.length, 5)
})

test('pages of the current tags neither skip nor repeat a tag that exists all the time', async () => {
  const name = 'past/present'
  const image = await pushImage(url, name, 'b')
  for (const tag of ['d', 'f']) await pushManifest(url, name, image, tag)
  const first = await fetch(tagsUrl(name, '?n=1'))
  await remove(name, 'b')
  await pushManifest(url, name, image, 'a')
  await pushManifest(url, name, image, 'e')
  const rest = await followLinks<Tags>(nextOf(first) ?? '')
  const found = rest.flatMap((page) => page.tags.map(({ tag }) => tag))
  assert.deepEqual(found, ['d', 'e', 'f'])
})

test('the ETag is the same until the repository changes, and another for each query', async () => {
  const name = 'past/etag'
  await pushImage(url, name, 'v1')
  for (const query of ['', '?at=3', '?at=2']) {
    const etag = (await fetch(tagsUrl(name, query))).headers.get('etag') ?? ''
    for (const method of ['GET', 'HEAD']) {
      const same = await fetch(tagsUrl(name, query), { method, headers: { 'If-None-Match': etag } })
      assert.equal(same.status, 304)
      const other = await fetch(tagsUrl(name, '?at=1'), { method, headers: { 'If-None-Match': etag } })
      assert.equal(other.status, 200)
    }
  }
})

test('a revision that was pruned is refused as such, and newer ones are complete', async (t) => {
  const registry = await clockedRegistry(t)
  const push = (tag: string) => pushTag(registry, tag)
  const list = (query: string, method = 'GET') =>
    registry.request(method, `/v2/app/_stowage/tags/list${query}`)
  for (const tag of ['a', 'b']) assert.equal((await push(tag)).status, 201)
  const first = await list('?at=3&n=1')
  registry.pass(RETENTION.history + 1)
  assert.equal((await push('c')).status, 201)
  await registry.sweep()
  const link = /<(.*)>/.exec((await list('?at=5&n=1')).headers.get('link') ?? '')?.[1] ?? ''
  assert.equal((await registry.request('GET', link)).status, 200)
  for (const query of ['?at=1', '?at=3', '?at=2001-01-01T00:00:00Z']) {
    for (const method of ['GET', 'HEAD']) assert.equal((await list(query, method)).status, 410, query)
  }
  assert.equal(((await first.json()) as Tags).tags.length, 1)
  for (const [query, names] of [
    ['?at=4', ['a', 'b']],
    ['?at=5', ['a', 'b', 'c']],
    ['', ['a', 'b', 'c']],
  ] as const) {
    const body = (await (await list(query)).json()) as Tags
    assert.deepEqual(
      body.tags.map(({ tag }) => tag),
      names,
    )
  }
})

test('a time in the future, an unknown repository and a bad parameter are refused', async () => {
  const name = 'past/refused'
  await pushImage(url, name, 'v1')
  for (const [target, status, message] of [
    [tagsUrl(name, '?at=4'), 400, /^"at" is a revision in the future; the newest one is 3$/],
    [tagsUrl(name, '?at=2999-01-01T00:00:00Z'), 400, /^"at" is a time in the future; the time is now 20/],
    [tagsUrl(name, '?at=2026-02-30T00:00:00Z'), 400, /^"at" is a time that does not exist/],
    [tagsUrl(name, '?at=-1'), 400, /^"at" must be a revision/],
    [tagsUrl(name, '?at='), 400, /^"at" must be a revision/],
    [tagsUrl(name, '?n=x'), 400, /^"n" must be a whole number/],
    [
      tagsUrl(name, '?cursor=WzEsInRhZ3M6YXQiLDQsImxhdGVzdCJd'),
      400,
      /^"cursor" belongs to a different list or order/,
    ],
    [tagsUrl(name, '?at=1&cursor=x'), 400, /^"cursor" was not issued/],
    [tagsUrl('past/unknown'), 404, /not known/],
    [tagsUrl('past/unknown', '?at=1'), 404, /not known/],
  ] as const) {
    const refused = await fetch(target)
    assert.equal(refused.status, status, target)
    const { errors } = (await refused.clone().json()) as { errors: { message: string }[] }
    assert.match(errors[0]?.message ?? '', message)
    assert.deepEqual(await errorCodes(refused), [status === 404 ? 'NAME_UNKNOWN' : 'UNSUPPORTED'])
    assert.equal((await fetch(target, { method: 'HEAD' })).status, status, `HEAD ${target}`)
  }
})
