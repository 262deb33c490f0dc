import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pushImage } from '../content.ts'
import { startStowage } from '../stowage.ts'
import { wholeFile } from '../whole-file.ts'
import { answered, refusedBy } from './extension-posts.ts'
import { startForFile } from './file-server.ts'
import { followLinks } from './pages.ts'

const { url: plain } = await startForFile()
const { url } = await startStowage(wholeFile, { draftExtensions: true })

const PATHS = [
  'team/app/_oci/tag-history/v1',
  'team/app/_oci/tag-history/unknown',
  '_oci/repository/list',
  'team/_oci/repository/list',
]

interface History {
  history: { updateTimestamp: string; digest: string }[]
}

async function endpointsOf(server: string, level: string): Promise<string[]> {
  const body = await answered(fetch(`${server}/v2/${level}_oci/ext/discover`))
  const [oci] = body.extensions as { endpoints: string[] }[]
  return oci?.endpoints ?? []
}

test('without --draft-extensions, drafts are unknown, and discovery does not list them', async () => {
  await pushImage(plain, 'team/app', 'v1')
  for (const path of PATHS) await refusedBy(fetch(`${plain}/v2/${path}`), 404, 'EXTENSION_UNKNOWN')
  for (const level of ['', 'team/app/']) {
    assert.deepEqual(await endpointsOf(plain, level), ['_oci/ext/discover'])
  }
})

test('where they were asked for discovery names them at their levels', async () => {
  await pushImage(url, 'team/app', 'v1')
  assert.deepEqual(await endpointsOf(url, ''), ['_oci/ext/discover', '_oci/repository/list'])
  assert.deepEqual(await endpointsOf(url, 'team/app/'), [
    '_oci/ext/discover',
    '_oci/tag-history/<tag>',
    '_oci/repository/list',
  ])
})

test('the history of a tag has the digests that it pointed to, newest first, in pages', async () => {
  const name = 'drafts/history'
  const images = []
  for (let index = 0; index < 3; index++) images.push(await pushImage(url, name, 'v1.0_x'))
  await fetch(`${url}/v2/${name}/manifests/v1.0_x`, { method: 'DELETE' })
  const target = `${url}/v2/${name}/_oci/tag-history/v1.0_x`
  const answer = await fetch(target)
  assert.equal(answer.headers.get('content-type'), 'application/json')
  const whole = ((await answer.json()) as History).history
  for (const entry of whole) assert.deepEqual(Object.keys(entry), ['updateTimestamp', 'digest'])
  const expected = images.map(({ digest }) => digest).reverse()
  for (const n of [1, 2, 3, 4]) {
    const pages = await followLinks<History>(`${target}?n=${n}`)
    assert.deepEqual(
      pages.flatMap(({ history }) => history.map(({ digest }) => digest)),
      expected,
    )
  }
})

test('any tag can be asked for, also one that is called as another module is', async () => {
  const name = 'drafts/tag-history'
  for (const tag of ['list', 'discover', 'v1', 'V_1', 'x'.repeat(128)]) {
    const { digest } = await pushImage(url, name, tag)
    const { history } = await answered(fetch(`${url}/v2/${name}/_oci/tag-history/${tag}`))
    assert.deepEqual(
      (history as History['history']).map((entry) => entry.digest),
      [digest],
    )
  }
})

test('direct children are listed at the root and below a path, in pages', async () => {
  for (const name of ['tree/b/x', 'tree/a', 'tree/b', 'tree/c/y']) await pushImage(url, name, 'v1')
  const below = (query: string) =>
    followLinks<{ name: string; repositories: string[] }>(`${url}/v2/tree/_oci/repository/list${query}`)
  assert.deepEqual(await below(''), [{ name: 'tree', repositories: ['a', 'b', 'c'] }])
  assert.deepEqual(
    await below('?n=1'),
    ['a', 'b', 'c'].map((child) => ({ name: 'tree', repositories: [child] })),
  )
  const root = await answered(fetch(`${url}/v2/_oci/repository/list`))
  assert.equal(root.name, '')
  assert.ok((root.repositories as string[]).includes('tree'))
})

test('each answer has an ETag until something changes', async () => {
  await pushImage(url, 'team/app', 'v1')
  for (const path of PATHS.filter((one) => !one.endsWith('unknown'))) {
    const etag = (await fetch(`${url}/v2/${path}`)).headers.get('etag') ?? ''
    const headers = { 'If-None-Match': etag }
    for (const method of ['GET', 'HEAD']) {
      assert.equal((await fetch(`${url}/v2/${path}`, { method, headers })).status, 304, path)
    }
    await pushImage(url, 'team/app', 'v1')
    assert.equal((await fetch(`${url}/v2/${path}`, { headers })).status, 200, path)
  }
})

test('a tag that never was, is malformed, or is of no repository is refused', async () => {
  await pushImage(url, 'team/app', 'v1')
  for (const [path, status, code] of [
    ['team/app/_oci/tag-history/unknown', 404, 'MANIFEST_UNKNOWN'],
    ['drafts/unknown/_oci/tag-history/v1', 404, 'NAME_UNKNOWN'],
    ['team/app/_oci/tag-history/-v', 400, 'NAME_INVALID'],
    ['team/app/_oci/tag-history/v%2F1', 400, 'NAME_INVALID'],
    ['team/app/_oci/tag-history/%3Ctag%3E', 400, 'NAME_INVALID'],
    ['team/app/_oci/tag-history/v1?n=0', 400, 'UNSUPPORTED'],
    ['team/app/_oci/tag-history/v1?cursor=x', 400, 'UNSUPPORTED'],
    ['team/_oci/repository/list?n=-1', 400, 'UNSUPPORTED'],
    ['_oci/tag-history/v1', 404, 'EXTENSION_UNKNOWN'],
    ['team/app/_oci/repository/v1', 404, 'EXTENSION_UNKNOWN'],
  ] as const) {
    await refusedBy(fetch(`${url}/v2/${path}`), status, code)
  }
  const posted = await fetch(`${url}/v2/team/app/_oci/tag-history/v1`, { method: 'POST' })
  assert.equal(posted.status, 405)
  assert.equal(posted.headers.get('allow'), 'GET, HEAD')
})
