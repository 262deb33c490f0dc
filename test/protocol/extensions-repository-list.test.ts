import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pushImage } from '../content.ts'
import { answerOthers, startForFile } from './file-server.ts'
import { followLinks } from './pages.ts'

const OWN = 'application/vnd.stowage.repositories.v1+json'
const REPOSITORIES = [
  'library/alpine',
  'team',
  'team/app',
  'team/app/web',
  'team/deep/er/x',
  'team-a/x',
  'zoo',
] as const
const { url } = await startForFile()

for (const name of REPOSITORIES) await pushImage(url, name, 'v1')

interface Page {
  name: string
  repositories: string[]
  details?: { name: string; isRepository: boolean; [field: string]: unknown }[]
}

function listUrl(level: string, query = ''): string {
  return `${url}/v2/${level === '' ? '' : `${level}/`}_stowage/repositories/list${query}`
}

async function list(level: string, query = ''): Promise<string[]> {
  const pages = await followLinks<Page>(listUrl(level, query))
  for (const page of pages) assert.equal(page.name, level)
  return pages.flatMap(({ repositories }) => repositories)
}

test('the direct children of a path are listed, whether it is a repository or only the way to some', async () => {
  for (const [level, expected] of [
    ['', ['library', 'team', 'team-a', 'zoo']],
    ['library', ['alpine']],
    ['team', ['app', 'deep']],
    ['team/app', ['web']],
    ['team/deep', ['er']],
    ['zoo', []],
    ['nobody', []],
    ['tea', []],
  ] as const) {
    assert.deepEqual(await list(level), expected, level)
    assert.deepEqual(await list(level, '?n=1&recursive=false'), expected, level)
  }
})

test('all repositories below a path are listed, as they are seen from there', async () => {
  for (const [level, expected] of [
    ['', REPOSITORIES.toSorted()],
    ['team', ['app', 'app/web', 'deep/er/x']],
    ['team/deep', ['er/x']],
    ['zoo', []],
  ] as const) {
    assert.deepEqual((await list(level, '?recursive=true')).sort(), expected, level)
    assert.deepEqual((await list(level, '?recursive=true&n=1')).sort(), expected, level)
  }
})

test('details say which entries are repositories, and when they changed', async () => {
  const answer = await fetch(listUrl('', '?detail=true'))
  assert.equal(answer.headers.get('content-type'), OWN)
  assert.equal(answer.headers.get('etag'), null)
  const { repositories, details = [] } = (await answer.json()) as Page
  assert.deepEqual(
    details.map(({ name }) => name),
    repositories,
  )
  const [library, team] = details
  assert.deepEqual(library, { name: 'library', isRepository: false })
  assert.ok(team?.isRepository)
  assert.equal(team.revision, 3)
  assert.ok(String(team.createdAt) <= String(team.updatedAt))
  const below = (await (await fetch(listUrl('team', '?detail=true'))).json()) as Page
  assert.deepEqual(
    below.details?.map(({ name }) => name),
    ['team/app', 'team/deep'],
  )
})

test('the ETag is the same until the registry changes', async () => {
  const first = await fetch(listUrl(''))
  const etag = first.headers.get('etag') ?? ''
  assert.notEqual(etag, '')
  for (const method of ['GET', 'HEAD']) {
    const same = await fetch(listUrl(''), { method, headers: { 'If-None-Match': etag } })
    assert.equal(same.status, 304)
  }
  assert.notEqual((await fetch(listUrl('', '?recursive=true'))).headers.get('etag'), etag)
  await pushImage(url, 'zoo/new', 'v1')
  const changed = await fetch(listUrl('zoo'), { headers: { 'If-None-Match': etag } })
  assert.deepEqual(((await changed.json()) as Page).repositories, ['new'])
})

test('a client that asks for plain JSON gets the same list', async () => {
  const answer = await fetch(listUrl('library'), { headers: { Accept: 'application/json' } })
  assert.equal(answer.headers.get('content-type'), 'application/json')
  assert.deepEqual(await answer.json(), { name: 'library', repositories: ['alpine'] })
})

test('a repository is counted after it has changed', async () => {
  const wanted = { tags: 1, manifests: 1, blobs: 2 }
  for (let tries = 0; tries < 200; tries++) {
    const { details = [] } = (await (await fetch(listUrl('library', '?detail=true'))).json()) as Page
    const counts = details[0]?.counts as Record<string, unknown> | undefined
    if (counts !== undefined) {
      assert.deepEqual({ tags: counts.tags, manifests: counts.manifests, blobs: counts.blobs }, wanted)
      assert.equal(counts.revision, details[0]?.revision)
      return
    }
    await answerOthers(url, 100)
  }
  assert.fail('the repository is never counted')
})

test('a wrong parameter is refused with its name and the reason', async () => {
  for (const level of ['', 'team']) {
    for (const [query, message] of [
      ['n=none', /^"n" must be a whole number, at least 1/],
      ['recursive=1', /^"recursive" is "1", not true or false/],
      ['detail=', /^"detail" is "", not true or false/],
      [
        'cursor=WzEsIm1hbmlmZXN0czpzaXplIiwiYSJd',
        /^"cursor" belongs to a different list or order \(manifests:size, not repositories\)/,
      ],
      ['cursor=team', /^"cursor" was not issued by this registry/],
    ] as const) {
      const refused = await fetch(listUrl(level, `?${query}`))
      assert.equal(refused.status, 400, query)
      const { errors } = (await refused.json()) as { errors: { message: string }[] }
      assert.match(errors[0]?.message ?? '', message)
    }
  }
})
