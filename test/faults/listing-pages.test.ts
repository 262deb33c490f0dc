import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errorCodes, pushArtifact } from '../content.ts'
import { followLinks, nextOf } from '../protocol/pages.ts'
import { startServer } from './start-server.ts'

const PATIENCE = { timeout: 300_000 }

/** Names that begin with one another, in the order of their bytes. */
const REPOSITORIES = ['a', 'a-b', 'a.b', 'a/b', 'a/b-c', 'a/b/c', 'a/bc', 'a0', 'a_b', 'aa', 'aab', 'ab']
const TAGS = [
  '0',
  '00',
  'A',
  'V1',
  '_',
  'a',
  'a-',
  'a.',
  'a.b',
  'aa',
  'v1',
  'v1-',
  'v1.0',
  'v1.0.0',
  'v10',
  'v1_',
]

interface List {
  what: string
  path: string
  expected: readonly string[]
}

const LISTS: readonly List[] = [
  { what: 'repositories', path: '/v2/_catalog', expected: REPOSITORIES },
  { what: 'tags', path: '/v2/a/tags/list', expected: TAGS },
]

/** Behind which names a list is asked to go on: those that exist, and those that lie between, before and behind them. */
const LASTS = [
  '!',
  '%',
  '_',
  'Z',
  'a!',
  'a%',
  'a/',
  'a/b/',
  'a\u00e9',
  'v1.',
  'zzz',
  '\u{1f4a9}',
  'a'.repeat(300),
]
const NO_NUMBERS = ['-1', 'abc', '1.5', '1e3', '+1', '0x10', ' 1', '1;2', 'NaN', '\u0661']

function namesOf(body: unknown): string[] {
  const { tags, repositories } = body as { tags?: string[]; repositories?: string[] }
  return tags ?? repositories ?? assert.fail('neither tags nor repositories')
}

async function read(url: string): Promise<string[]> {
  const page = await fetch(url)
  assert.equal(page.status, 200, url)
  return namesOf(await page.json())
}

test(
  'fault 20: pages of names that begin with one another make up the whole list, in order',
  PATIENCE,
  async (t) => {
    const server = await startServer(t)
    for (const name of REPOSITORIES) await pushArtifact(server.url, name, {}, 'other')
    for (const tag of TAGS) await pushArtifact(server.url, 'a', {}, tag)
    assert.equal((await fetch(`${server.url}/v2/a/manifests/other`, { method: 'DELETE' })).status, 202)
    for (const { path, expected, what } of LISTS) await assertPages(server.url + path, expected, what)
    for (const { path, expected } of LISTS) await assertGoesOn(server.url + path, expected)
    for (const { path, expected } of LISTS) await assertLimits(server.url + path, expected)
    await server.close()
  },
)

async function assertPages(list: string, expected: readonly string[], what: string): Promise<void> {
  assert.deepEqual(await read(list), expected)
  for (const n of [1, 2, 3, 5, expected.length - 1, expected.length, expected.length + 1]) {
    const pages = (await followLinks(`${list}?n=${n}`)).map(namesOf)
    assert.deepEqual(pages.flat(), expected, `${what} by ${n}`)
    assert.equal(pages.length, Math.ceil(expected.length / n), `${what} by ${n}`)
  }
}

/** The order is that of bytes, so a page is what a filter of the whole gives. */
async function assertGoesOn(list: string, expected: readonly string[]): Promise<void> {
  for (const last of [...expected, ...LASTS]) {
    const bytes = Buffer.from(last)
    const behind = expected.filter((name) => Buffer.compare(Buffer.from(name), bytes) > 0)
    const query = `last=${encodeURIComponent(last)}`
    assert.deepEqual(await read(`${list}?${query}`), behind, query)
    assert.deepEqual(await read(`${list}?n=2&${query}`), behind.slice(0, 2), query)
  }
}

async function assertLimits(list: string, expected: readonly string[]): Promise<void> {
  for (const n of ['1000000000', '99999999999999999999', '000000016']) {
    const page = await fetch(`${list}?n=${n}`)
    assert.equal(nextOf(page), undefined)
    assert.deepEqual(namesOf(await page.json()), expected)
  }
  const none = await fetch(`${list}?n=0`)
  assert.equal(nextOf(none), undefined)
  assert.deepEqual(namesOf(await none.json()), [])
  for (const n of NO_NUMBERS) {
    const refused = await fetch(`${list}?n=${encodeURIComponent(n)}`)
    assert.equal(refused.status, 400, `n=${n}`)
    assert.deepEqual(await errorCodes(refused), ['UNSUPPORTED'])
  }
}
