import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pushArtifact, pushManifest, type TestManifest } from '../content.ts'
import { startStowage } from '../stowage.ts'
import { assertWhole, feedUrl, followChanges, listChanges, type ToldChange } from './changes.ts'
import { clockedRegistry, RETENTION } from './clocked-registry.ts'
import { startForFile } from './file-server.ts'
import { openRegistry } from './open-registry.ts'

const { url } = await startForFile()

async function artifact(name: string, note: string, reference?: string): Promise<TestManifest> {
  return await pushArtifact(url, name, { annotations: { note } }, reference)
}

async function end(): Promise<number> {
  const { changes, next, last } = await listChanges(url, '', '')
  assert.deepEqual(changes, [])
  assert.equal(next, last)
  return next
}

function told({ repository, revision, kind, subject, old, new: now }: ToldChange): unknown[] {
  return [repository, revision, kind, subject, old, now]
}

async function remove(name: string, reference: string): Promise<void> {
  const removed = await fetch(`${url}/v2/${name}/manifests/${reference}`, { method: 'DELETE' })
  assert.equal(removed.status, 202, await removed.text())
}

test('all changes of a repository are reported, in order', async () => {
  const since = await end()
  const one = await artifact('told/app', 'one', 'v1')
  const two = await artifact('told/app', 'two', 'v1')
  await pushManifest(url, 'told/app', two, 'v2')
  await remove('told/app', 'v2')
  await remove('told/app', two.digest)
  const answer = await fetch(feedUrl(url, 'told/app', 'list', `?since=${since}`))
  assert.equal(answer.headers.get('content-type'), 'application/vnd.stowage.changes.v1+json')
  assert.equal(answer.headers.get('cache-control'), 'no-store, no-transform')
  const { changes, next, last } = (await answer.json()) as Awaited<ReturnType<typeof listChanges>>
  assert.equal(next, last)
  const [a, b] = [one.digest, two.digest]
  assert.deepEqual(changes.map(told), [
    ['told/app', 1, 'repository-created', '', undefined, undefined],
    ['told/app', 2, 'manifest-pushed', a, undefined, a],
    ['told/app', 3, 'tag-set', 'v1', undefined, a],
    ['told/app', 4, 'manifest-pushed', b, undefined, b],
    ['told/app', 5, 'tag-set', 'v1', a, b],
    ['told/app', 6, 'tag-set', 'v2', undefined, b],
    ['told/app', 7, 'tag-removed', 'v2', b, undefined],
    ['told/app', 8, 'tag-removed', 'v1', b, undefined],
    ['told/app', 9, 'manifest-deleted', b, b, undefined],
  ])
  assertWhole(changes)
  assert.deepEqual((await listChanges(url, '', `?since=${since}`)).changes, changes)
})

test('pages of any size have the same changes as one page', async () => {
  for (const name of ['paged/a', 'paged/b']) await artifact(name, name, 'v1')
  for (const repository of ['', 'paged/b']) {
    const whole = await listChanges(url, repository, '?since=0')
    for (const n of [1, 2, 3, 1000]) {
      const changes: ToldChange[] = []
      for (let since = 0; ; ) {
        const page = await listChanges(url, repository, `?since=${since}&n=${n}`)
        assert.ok(page.changes.length <= n)
        changes.push(...page.changes)
        since = page.next
        if (page.next === page.last) break
      }
      assert.deepEqual(changes, whole.changes)
    }
  }
})

test('while many clients write, a follower gets every change once and in order', async () => {
  const since = await end()
  const names = ['busy/a', 'busy/b', 'busy/c']
  const isLast = ({ repository, subject }: ToldChange) => repository === 'busy/a' && subject === 'last'
  const followers = [
    followChanges(url, '', { since, n: 2, until: isLast }),
    followChanges(url, '', { since, n: 7, until: isLast }),
    followChanges(url, '', { since, until: isLast }),
  ]
  const write = async (writer: number) => {
    for (let round = 0; round < 12; round++) {
      const name = names[(writer + round) % names.length] ?? ''
      await artifact(name, `${writer} ${round}`, `t${round % 3}`)
    }
  }
  await Promise.all([0, 1, 2, 3, 4, 5].map(write))
  await artifact('busy/a', 'last', 'last')
  const { changes } = await listChanges(url, '', `?since=${since}`)
  assert.equal(changes.filter(({ kind }) => kind === 'manifest-pushed').length, 73)
  assertWhole(changes)
  for (const follower of followers) assert.deepEqual(await follower, changes)
  for (const name of names) {
    const own = changes.filter(({ repository }) => repository === name)
    assert.deepEqual((await listChanges(url, name, `?since=${since}`)).changes, own)
    const middle = own[Math.floor(own.length / 2)]?.sequence ?? 0
    const rest = await listChanges(url, name, `?since=${middle}`)
    assert.deepEqual(
      rest.changes,
      own.filter(({ sequence }) => sequence > middle),
    )
  }
})

test('a waiting client gets a response when a followed repository changes, and only then', async () => {
  await artifact('waited/app', 'first')
  const since = await end()
  const waiting = listChanges(url, 'waited/app', `?since=${since}&wait=60`)
  const all = listChanges(url, '', `?since=${since}&wait=60`)
  await artifact('waited/other', 'x')
  assert.equal((await all).changes[0]?.repository, 'waited/other')
  const pushed = await artifact('waited/app', 'second')
  const { changes, next, last } = await waiting
  assert.deepEqual(
    changes.map(({ subject }) => subject),
    [pushed.digest],
  )
  assert.equal(next, last)
})

test('a client that waits without a change gets an empty page and the number to continue from', async () => {
  const since = await end()
  const { changes, next, last } = await listChanges(url, 'waited/app', `?since=${since}&wait=1`)
  assert.deepEqual([changes, next, last], [[], since, since])
})

test('who waits is answered when the server closes', async (t) => {
  const server = await startStowage(t)
  const waiting = listChanges(server.url, '', '?since=0&wait=60')
  const other = listChanges(server.url, '', '?wait=60')
  // The answer to another request that came later says that both are waiting.
  await (await fetch(`${server.url}/v2/`)).text()
  const closed = server.close()
  for (const { changes, next } of await Promise.all([waiting, other]))
    assert.deepEqual([changes, next], [[], 0])
  await closed
})

test('a log that begins later, or ended earlier, is refused with where to begin again', async (t) => {
  const { request, pass, sweep } = await clockedRegistry(t)
  const put = async (tag: string) => {
    const manifest = JSON.stringify({ schemaVersion: 2, manifests: [], annotations: { tag } })
    const headers = { 'Content-Type': 'application/vnd.oci.image.index.v1+json' }
    const pushed = await request('PUT', `/v2/old/app/manifests/${tag}`, manifest, headers)
    assert.equal(pushed.status, 201, await pushed.text())
  }
  const ask = (query: string, level = '') => request('GET', feedUrl('', level, 'list', query))
  for (const tag of ['v1', 'v2', 'v1']) await put(tag)
  const all = (await (await ask('?since=0')).json()) as { last: number }
  pass(RETENTION.history + 1)
  await put('v3')
  await sweep()
  for (const level of ['', 'old/app']) {
    const refused = await ask('?since=0', level)
    assert.equal(refused.status, 410)
    const { errors } = (await refused.json()) as { errors: { message: string; detail: Floor }[] }
    const { message = '', detail } = errors[0] ?? {}
    assert.match(message, /no longer kept; list the current state again, and continue after \d+$/)
    assert.ok(detail !== undefined && detail.floor > 0 && detail.floor <= all.last && detail.last > all.last)
    const kept = (await (await ask(`?since=${detail.floor}`, level)).json()) as { changes: ToldChange[] }
    assert.ok(kept.changes.some(({ subject }) => subject === 'v3'))
    assert.equal((await ask(`?since=${detail.floor - 1}`, level)).status, 410)
    const beyond = await ask(`?since=${detail.last + 1}`, level)
    assert.equal(beyond.status, 410)
    assert.match(
      await beyond.text(),
      /is greater than the newest one, \d+: the change log has been replaced.*"detail":\{"reason":"HISTORY_PRUNED","floor":/,
    )
    assert.equal((await ask(`?since=${detail.last}`, level)).status, 200)
  }
})

interface Floor {
  floor: number
  last: number
}

test('an unknown repository and wrong parameters are refused', async () => {
  const unknown = await fetch(feedUrl(url, 'nobody/app', 'list', '?wait=60'))
  assert.equal(unknown.status, 404)
  assert.match(await unknown.text(), /NAME_UNKNOWN/)
  for (const [query, message] of [
    ['since=now', /"since\\" must be a sequence number: a whole number, at least 0/],
    ['since=-1', /"since\\" must be a sequence number/],
    ['since=1.5', /"since\\" must be a sequence number/],
    ['since=99999999999999999999', /"since\\" must be a sequence number/],
    ['since=1&since=2', /"since\\" is given more than once/],
    ['n=0', /"n\\" must be a whole number, at least 1/],
    ['wait=soon', /"wait\\" must be a whole number of seconds/],
    ['wait=-1', /"wait\\" must be a whole number of seconds/],
  ] as const) {
    for (const level of ['', 'told/app']) {
      const refused = await fetch(feedUrl(url, level, 'list', `?${query}`))
      assert.equal(refused.status, 400, query)
      assert.match(await refused.text(), message)
    }
  }
})

test('a change is listed once it was answered, however soon after another list', async (t) => {
  const { registry, ask, push } = await openRegistry(t, (context) => context)
  await push('app', 'v1')
  const { last } = await registry.changes.bounds()
  // Without a network all of this happens in one turn of the event loop.
  const list = () => ask('GET', `/v2/app/_stowage/changes/list?since=${last}`)
  await list()
  await ask('DELETE', '/v2/app/manifests/v1')
  const { changes } = (await (await list()).json()) as { changes: ToldChange[] }
  assert.deepEqual(
    changes.map(({ kind }) => kind),
    ['tag-removed'],
  )
})
