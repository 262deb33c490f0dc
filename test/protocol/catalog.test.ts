import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errorCodes, pushBlob } from '../content.ts'
import { startStowage } from '../stowage.ts'
import { startForFile } from './file-server.ts'
import { followLinks, nextOf } from './pages.ts'
import { beginUpload } from './upload-requests.ts'

const { url } = await startForFile()

/** Names that begin alike, in no order. */
const NAMES = [
  'b',
  'a',
  'a/b',
  'a/b/c',
  'a-b',
  'a.b',
  'a_b',
  'a__b',
  'ab',
  'a0',
  'a/0',
  '0',
  '10',
  '1/0',
  '1-0',
  'z',
  'zz/z',
]
const SORTED = NAMES.toSorted((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)))

for (const name of NAMES) await pushBlob(url, name, 'x')

interface Catalog {
  repositories: string[]
}

async function catalog(query: string): Promise<{ names: string[]; next: URL | undefined }> {
  const page = await fetch(`${url}/v2/_catalog?${query}`)
  assert.equal(page.status, 200, query)
  assert.equal(page.headers.get('content-type'), 'application/json')
  const body = (await page.json()) as Catalog
  assert.deepEqual(Object.keys(body), ['repositories'])
  return { names: body.repositories, next: nextOf(page) }
}

test('all repositories are listed once, in the order of their bytes', async () => {
  assert.deepEqual(await catalog(''), { names: SORTED, next: undefined })
})

test('pages of repositories, followed by Link or by the last name, make up the whole catalog', async () => {
  for (const size of [1, 3, NAMES.length - 1, NAMES.length, NAMES.length + 1]) {
    const pages = await followLinks<Catalog>(`${url}/v2/_catalog?n=${size}`)
    assert.equal(pages.length, Math.ceil(NAMES.length / size))
    assert.deepEqual(
      pages.flatMap(({ repositories }) => repositories),
      SORTED,
    )
  }
  for (const [index, last] of SORTED.entries()) {
    assert.deepEqual((await catalog(`last=${encodeURIComponent(last)}`)).names, SORTED.slice(index + 1))
    assert.deepEqual((await catalog(`n=2&last=${last}`)).names, SORTED.slice(index + 1, index + 3))
  }
})

test('"n" and "last" of the catalog are read as those of tags', async () => {
  assert.deepEqual(await catalog('n=0'), { names: [], next: undefined })
  assert.deepEqual(await catalog('n=1000000000'), { names: SORTED, next: undefined })
  assert.deepEqual(await catalog('n='), { names: SORTED, next: undefined })
  assert.deepEqual(await catalog('n=1&last=zz/z'), { names: [], next: undefined })
  assert.deepEqual((await catalog('last=not-there')).names, ['z', 'zz/z'])
  for (const n of ['-1', 'abc', '1e9']) {
    const refused = await fetch(`${url}/v2/_catalog?n=${n}`)
    assert.equal(refused.status, 400, n)
    assert.deepEqual(await errorCodes(refused), ['UNSUPPORTED'])
  }
})

test('a registry without repositories has an empty catalog, and reading or beginning makes none', async (t) => {
  const empty = await startStowage(t)
  const list = async () => await (await fetch(`${empty.url}/v2/_catalog`)).json()
  assert.deepEqual(await list(), { repositories: [] })
  await fetch(`${empty.url}/v2/app/tags/list`)
  await fetch(`${empty.url}/v2/app/referrers/sha256:${'0'.repeat(64)}`)
  await beginUpload(empty.url, 'app')
  assert.deepEqual(await list(), { repositories: [] })
  await pushBlob(empty.url, 'app', 'x')
  assert.deepEqual(await list(), { repositories: ['app'] })
})
