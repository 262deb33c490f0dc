import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errorCodes, pushImage, pushManifest, type TestManifest } from '../content.ts'
import { clockedRegistry, RETENTION } from './clocked-registry.ts'
import { startForFile } from './file-server.ts'
import { followLinks, nextOf } from './pages.ts'

const OWN = 'application/vnd.stowage.tag-history.v1+json'
const { url } = await startForFile()

interface Entry {
  updateTimestamp: string
  digest?: string
  revision: number
  removed?: boolean
  available?: boolean
}

interface History {
  history: Entry[]
}

function historyUrl(name: string, query: string): string {
  return `${url}/v2/${name}/_stowage/tags/history?${query}`
}

async function history(name: string, query: string): Promise<Entry[]> {
  const pages = await followLinks<History>(historyUrl(name, query))
  return pages.flatMap((page) => page.history)
}

async function remove(name: string, reference: string): Promise<void> {
  const removed = await fetch(`${url}/v2/${name}/manifests/${reference}`, { method: 'DELETE' })
  assert.equal(removed.status, 202)
}

/** A tag that was set, moved, removed, and set again; of its manifests the second is deleted. */
async function pushHistory(name: string): Promise<[TestManifest, TestManifest]> {
  const first = await pushImage(url, name, 'v1')
  const second = await pushImage(url, name, 'v1')
  await remove(name, 'v1')
  await pushManifest(url, name, first, 'v1')
  await pushImage(url, name, 'other')
  await remove(name, second.digest)
  return [first, second]
}

test('every set and removal of a tag is listed, newest first', async () => {
  const name = 'history/told'
  const [first, second] = await pushHistory(name)
  const answer = await fetch(historyUrl(name, 'tag=v1'))
  assert.equal(answer.headers.get('content-type'), OWN)
  assert.equal(answer.headers.get('link'), null)
  const body = (await answer.json()) as History
  const times = body.history.map(({ updateTimestamp }) => updateTimestamp)
  assert.deepEqual(times, times.toSorted().reverse())
  const expected = [
    { digest: first.digest, revision: 7, available: true },
    { removed: true, revision: 6 },
    { digest: second.digest, revision: 5, available: false },
    { digest: first.digest, revision: 3, available: true },
  ]
  assert.deepEqual(body, {
    history: expected.map((entry, index) => ({ updateTimestamp: times[index], ...entry })),
  })
  const plain = await fetch(historyUrl(name, 'tag=v1'), { headers: { Accept: 'application/json' } })
  assert.equal(plain.headers.get('content-type'), 'application/json')
  assert.deepEqual(await plain.json(), body)
})

test('a tag that went with its manifest was removed', async () => {
  const name = 'history/gone'
  const image = await pushImage(url, name, 'v1')
  await remove(name, image.digest)
  const [last, before] = await history(name, 'tag=v1')
  assert.deepEqual([last?.removed, last?.digest, last?.available], [true, undefined, undefined])
  assert.deepEqual([before?.digest, before?.available], [image.digest, false])
})

test('pages contain the whole history, even while the tag changes', async () => {
  const name = 'history/pages'
  await pushHistory(name)
  const whole = await history(name, 'tag=v1')
  for (const n of [1, 2, 3, 4, 5]) assert.deepEqual(await history(name, `tag=v1&n=${n}`), whole)
  const first = await fetch(historyUrl(name, 'tag=v1&n=2'))
  const { history: begun } = (await first.json()) as History
  await pushImage(url, name, 'v1')
  await remove(name, 'v1')
  const rest = await followLinks<History>(nextOf(first) ?? '')
  assert.deepEqual([...begun, ...rest.flatMap((page) => page.history)], whole)
})

test('the ETag of a history is the same until its repository changes', async () => {
  const name = 'history/etag'
  await pushImage(url, name, 'v1')
  const etag = (await fetch(historyUrl(name, 'tag=v1'))).headers.get('etag') ?? ''
  const headers = { 'If-None-Match': etag }
  for (const method of ['GET', 'HEAD']) {
    const head = await fetch(historyUrl(name, 'tag=v1'), { method })
    assert.equal(head.headers.get('etag'), etag)
    assert.equal((await fetch(historyUrl(name, 'tag=v1'), { method, headers })).status, 304)
  }
  await pushImage(url, name, 'v1')
  const changed = await fetch(historyUrl(name, 'tag=v1'), { headers })
  assert.equal(((await changed.json()) as History).history.length, 2)
})

test('pruned history is not listed, except the value of the tag at that time, and the ETag changes', async (t) => {
  const registry = await clockedRegistry(t)
  const push = async (note: string) => {
    const pushed = await registry.request(
      'PUT',
      '/v2/app/manifests/v1',
      JSON.stringify({ schemaVersion: 2, manifests: [], annotations: { note } }),
      { 'Content-Type': 'application/vnd.oci.image.index.v1+json' },
    )
    assert.equal(pushed.status, 201)
  }
  const read = () => registry.request('GET', '/v2/app/_stowage/tags/history?tag=v1')
  for (const note of ['a', 'b', 'c']) await push(note)
  registry.pass(RETENTION.history)
  await push('d')
  const before = await read()
  registry.pass(1)
  await registry.sweep()
  const after = await read()
  const [all, kept] = [((await before.json()) as History).history, ((await after.json()) as History).history]
  assert.equal(all.length, 4)
  assert.deepEqual(kept, all.slice(0, 2))
  assert.notEqual(after.headers.get('etag'), before.headers.get('etag'))
})

test('a tag that never existed, an unknown repository and a bad parameter are refused', async () => {
  const name = 'history/refused'
  await pushImage(url, name, 'v1')
  for (const [target, status, code, message] of [
    [historyUrl(name, 'tag=v2'), 404, 'MANIFEST_UNKNOWN', /no such tag/],
    [historyUrl('history/unknown', 'tag=v1'), 404, 'NAME_UNKNOWN', /not known/],
    [historyUrl(name, ''), 400, 'UNSUPPORTED', /^"tag" is missing$/],
    [historyUrl(name, 'tag=-v'), 400, 'UNSUPPORTED', /^"tag" is "-v", not up to 128/],
    [historyUrl(name, 'tag=v1&tag=v2'), 400, 'UNSUPPORTED', /^"tag" is given more than once/],
    [historyUrl(name, 'tag=v1&n=0'), 400, 'UNSUPPORTED', /^"n" must be a whole number/],
    [historyUrl(name, 'tag=v1&cursor=7'), 400, 'UNSUPPORTED', /^"cursor" was not issued/],
  ] as const) {
    const refused = await fetch(target)
    assert.equal(refused.status, status, target)
    const { errors } = (await refused.clone().json()) as { errors: { message: string }[] }
    assert.match(errors[0]?.message ?? '', message)
    assert.deepEqual(await errorCodes(refused), [code])
    assert.equal((await fetch(target, { method: 'HEAD' })).status, status, `HEAD ${target}`)
  }
})
