import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errorCodes, manifestOf, OCI_INDEX, pushBlob, pushManifest } from '../content.ts'
import { startForFile } from './file-server.ts'
import { followLinks, nextOf } from './pages.ts'

const { url } = await startForFile()

/** Tags that begin alike, in upper and lower case, with every sign that a tag may have; in no order. */
const TAGS = [
  ...[
    'b',
    'a',
    'A',
    'B',
    '_',
    '_a',
    'a_',
    'a-',
    'a.',
    'a.b',
    'a-b',
    'a_b',
    'ab',
    'aB',
    'a0',
    'a00',
    'Z',
    'z',
    'zz',
  ],
  ...['1', '10', '1.0', '1.0.0', '1-0', '1_0', '0', '00', '9', 'latest', 'Latest', 'LATEST', 'x'.repeat(128)],
]
const SORTED = TAGS.toSorted((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)))

await setTags('app', TAGS)

async function setTags(name: string, tags: readonly string[]): Promise<void> {
  const manifest = manifestOf({ manifests: [] }, OCI_INDEX)
  for (let at = 0; at < tags.length; at += 50) {
    const query = tags.slice(at, at + 50).map((tag) => `tag=${tag}`)
    const pushed = await pushManifest(url, name, manifest, `${manifest.digest}?${query.join('&')}`)
    assert.equal(pushed.status, 201, await pushed.text())
  }
}

interface List {
  name: string
  tags: string[]
}

async function list(query: string, name = 'app'): Promise<{ tags: string[]; next: URL | undefined }> {
  const page = await fetch(`${url}/v2/${name}/tags/list?${query}`)
  assert.equal(page.status, 200, query)
  assert.equal(page.headers.get('content-type'), 'application/json')
  const body = (await page.json()) as List
  assert.deepEqual(Object.keys(body), ['name', 'tags'])
  assert.equal(body.name, name)
  return { tags: body.tags, next: nextOf(page) }
}

test('all tags are listed once, in the order of their bytes', async () => {
  assert.deepEqual(await list(''), { tags: SORTED, next: undefined })
})

test('pages of any size, followed by Link, make up the whole list', async () => {
  for (const size of [1, 2, 7, TAGS.length - 1, TAGS.length, TAGS.length + 1]) {
    const pages = await followLinks<List>(`${url}/v2/app/tags/list?n=${size}`)
    assert.equal(pages.length, Math.ceil(TAGS.length / size))
    assert.deepEqual(
      pages.flatMap(({ tags }) => tags),
      SORTED,
    )
    for (const { tags } of pages.slice(0, -1)) assert.equal(tags.length, size)
  }
})

test('pages of any size, followed by the last tag of each, make up the whole list', async () => {
  for (const size of [1, 5]) {
    const found: string[] = []
    for (;;) {
      const { tags } = await list(`n=${size}&last=${encodeURIComponent(found.at(-1) ?? '')}`)
      found.push(...tags)
      if (tags.length === 0) break
    }
    assert.deepEqual(found, SORTED)
  }
})

test('the list continues after "last", with and without "n"', async () => {
  for (const [index, last] of SORTED.entries()) {
    assert.deepEqual((await list(`last=${last}`)).tags, SORTED.slice(index + 1))
    assert.deepEqual((await list(`last=${last}&n=3`)).tags, SORTED.slice(index + 1, index + 4))
  }
})

test('"last" need not be a tag that exists, nor one at all', async () => {
  for (const last of ['a.a', '5', 'M', 'zzz', 'aaaa', '', '%00', '%E2%82%AC', '../x', 'a b', "'--"]) {
    const text = Buffer.from(decodeURIComponent(last))
    const rest = SORTED.filter((tag) => Buffer.compare(Buffer.from(tag), text) > 0)
    assert.deepEqual((await list(`last=${last}`)).tags, rest, last)
  }
})

test('no page has a Link when nothing follows it', async () => {
  assert.equal((await list(`n=${TAGS.length}`)).next, undefined)
  assert.equal((await list(`last=${SORTED.at(-2)}&n=1`)).next, undefined)
  assert.equal((await list(`last=${SORTED.at(-1)}&n=1`)).next, undefined)
  assert.notEqual((await list(`last=${SORTED.at(-3)}&n=1`)).next, undefined)
})

test('"n" of zero gives an empty list without a Link', async () => {
  assert.deepEqual(await list('n=0'), { tags: [], next: undefined })
  assert.deepEqual(await list('n=0&last=a'), { tags: [], next: undefined })
})

test('"n" above the limit counts as the limit, and is not refused', async () => {
  for (const n of ['1001', '10000', '1000000000', '9007199254740993', '9'.repeat(40)]) {
    assert.deepEqual((await list(`n=${n}`)).tags, SORTED, n)
  }
})

test('a list of more tags than the limit continues in pages, whatever "n" is', async () => {
  const many = Array.from({ length: 10_050 }, (_, index) => `t${String(index).padStart(5, '0')}`)
  const manifest = manifestOf({ manifests: [] }, OCI_INDEX)
  const pushes = Array.from({ length: 17 }, (_, part) => {
    const query = many.slice(part * 600, (part + 1) * 600).map((tag) => `tag=${tag}`)
    return pushManifest(url, 'many', manifest, `${manifest.digest}?${query.join('&')}`)
  })
  for (const pushed of await Promise.all(pushes)) assert.equal(pushed.status, 201)
  for (const query of ['', '?n=1000000000']) {
    const pages = await followLinks<List>(`${url}/v2/many/tags/list${query}`)
    assert.ok(pages.length > 1)
    assert.deepEqual(
      pages.flatMap(({ tags }) => tags),
      many,
    )
  }
})

test('an empty "n" is as if it were absent', async () => {
  assert.deepEqual(await list('n='), { tags: SORTED, next: undefined })
  assert.deepEqual(await list('n=&last=a'), await list('last=a'))
  for (const path of ['_catalog', 'app/_stowage/manifests/list', `app/referrers/sha256:${'0'.repeat(64)}`]) {
    assert.equal((await fetch(`${url}/v2/${path}?n=`)).status, 200, path)
  }
})

test('"n" that is not a whole number is refused with 400', async () => {
  for (const n of ['-1', 'abc', '1e9', '1.5', '%201', '0x10', '+5']) {
    const refused = await fetch(`${url}/v2/app/tags/list?n=${n}`)
    assert.equal(refused.status, 400, n)
    assert.deepEqual(await errorCodes(refused), ['UNSUPPORTED'])
  }
})

test('a repository without tags has an empty list, and one that is unknown has none', async () => {
  await pushBlob(url, 'untagged', 'x')
  assert.deepEqual(await list('', 'untagged'), { tags: [], next: undefined })
  const manifest = manifestOf({ manifests: [] }, OCI_INDEX)
  await pushManifest(url, 'untagged', manifest)
  assert.deepEqual(await list('', 'untagged'), { tags: [], next: undefined })
  const unknown = await fetch(`${url}/v2/unknown/tags/list`)
  assert.equal(unknown.status, 404)
  assert.deepEqual(await errorCodes(unknown), ['NAME_UNKNOWN'])
})

test('a tag is listed as soon as it is set, and not any more when it is deleted', async () => {
  await setTags('soon', ['a', 'b', 'c'])
  assert.deepEqual((await list('', 'soon')).tags, ['a', 'b', 'c'])
  await fetch(`${url}/v2/soon/manifests/b`, { method: 'DELETE' })
  assert.deepEqual((await list('', 'soon')).tags, ['a', 'c'])
  await setTags('soon', ['b'])
  assert.deepEqual((await list('', 'soon')).tags, ['a', 'b', 'c'])
})

test('tags that were set and deleted between two pages neither repeat nor hide others', async () => {
  await setTags('between', ['b', 'd', 'f', 'h'])
  const first = await list('n=2', 'between')
  assert.deepEqual(first.tags, ['b', 'd'])
  await setTags('between', ['a', 'e'])
  await fetch(`${url}/v2/between/manifests/d`, { method: 'DELETE' })
  const rest = await followLinks<List>(first.next ?? '')
  assert.deepEqual(
    rest.flatMap(({ tags }) => tags),
    ['e', 'f', 'h'],
  )
})

test('the list of a repository does not show the tags of those whose names begin alike', async () => {
  for (const name of ['alike', 'alike/sub', 'alike-too', 'ali']) await setTags(name, [name.replace('/', '.')])
  assert.deepEqual((await list('', 'alike')).tags, ['alike'])
  assert.deepEqual((await list('', 'alike/sub')).tags, ['alike.sub'])
})

test('a push sets up to 1,000 tags; with more it is refused, and sets none', async () => {
  const manifest = manifestOf({ manifests: [] }, OCI_INDEX)
  const push = async (count: number) => {
    const query = Array.from({ length: count }, (_, index) => `tag=n${index}`).join('&')
    return await fetch(`${url}/v2/many/names/manifests/${manifest.digest}?${query}`, {
      method: 'PUT',
      headers: { 'Content-Type': manifest.mediaType },
      body: Buffer.from(manifest.bytes),
    })
  }
  const refused = await push(1_001)
  assert.equal(refused.status, 400)
  assert.deepEqual(await errorCodes(refused.clone()), ['NAME_INVALID'])
  assert.match(await refused.text(), /at most 1000 tags/)
  assert.equal((await fetch(`${url}/v2/many/names/tags/list`)).status, 404)
  assert.equal((await push(1_000)).status, 201)
})
