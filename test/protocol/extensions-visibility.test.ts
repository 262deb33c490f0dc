import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { ANONYMOUS } from '../../src/metadata/actor.ts'
import type { Caller } from '../../src/registry/caller.ts'
import type { ChangeList } from './changes.ts'
import { type OpenRegistry, openRegistry } from './open-registry.ts'

/** Sees nothing below `secret`, and may do everything in a repository that it names: so a test can fill those that it does not see. */
const OUTSIDER: Caller = {
  actor: ANONYMOUS,
  visibility: { key: 'outsider', includes: async (repository) => !repository.startsWith('secret/') },
  may: async () => true,
}

/** A registry whose client does not see anything below `secret`. */
async function secretive(t: TestContext): Promise<OpenRegistry> {
  return await openRegistry(t, (registry) => registry, OUTSIDER)
}

async function json<T>(answer: Promise<Response>): Promise<T> {
  return (await (await answer).json()) as T
}

/** What an answer tells its client. The id of the request and the length of the id tell nothing. */
async function toldBy(answer: Response): Promise<{ headers: [string, string][]; body: string }> {
  const headers = [...answer.headers].filter(([name]) => !['x-request-id', 'content-length'].includes(name))
  return { headers, body: (await answer.text()).replace(/"requestId":"[^"]+"/, '') }
}

test('content that only repositories have from which a client may not pull is as unknown as any other', async (t) => {
  const { ask, push } = await secretive(t)
  const digest = await push('secret/app', 'x', ['v1'])
  const absent = `sha256:${'0'.repeat(64)}`
  for (const module of ['data', 'locations']) {
    for (const method of ['GET', 'HEAD']) {
      for (const headers of [
        {},
        { Range: 'bytes=0-1' },
        { 'If-None-Match': `"${digest}"` },
        { 'If-Match': '"x"' },
      ]) {
        const [secret, unknown] = await Promise.all(
          [digest, absent].map((one) =>
            ask(method, `/v2/_stowage/content/${module}?digest=${one}`, { headers }),
          ),
        )
        assert.ok(secret !== undefined && unknown !== undefined)
        assert.equal(secret.status, 404)
        assert.equal(unknown.status, 404)
        const told = await toldBy(unknown)
        assert.deepEqual(await toldBy(secret), { ...told, body: told.body.replaceAll(absent, digest) })
      }
    }
  }
  await push('open/app', 'x', ['v1'])
  assert.equal((await ask('GET', `/v2/_stowage/content/data?digest=${digest}`)).status, 200)
})

test('content is found after repositories from which a client may not pull', async (t) => {
  const { ask, push } = await secretive(t)
  for (let index = 0; index < 50; index++) await push(`secret/app${index}`, 'x')
  const digest = await push('open/app', 'x')
  assert.equal((await ask('GET', `/v2/_stowage/content/data?digest=${digest}`)).status, 200)
  const { locations } = await json<{ locations: { url: string }[] }>(
    ask('GET', `/v2/open/app/_stowage/content/locations?digest=${digest}`),
  )
  assert.deepEqual(
    locations.map(({ url }) => url),
    [`/v2/open/app/manifests/${digest}`],
  )
})

test('the feed leaves out changes that a client may not see, and continues after them', async (t) => {
  const { ask, push } = await secretive(t)
  await push('open/app', 'one', ['v1'])
  for (let index = 0; index < 5; index++) await push('secret/app', `hidden ${index}`, ['v1'])
  const list = (query: string) => json<ChangeList>(ask('GET', `/v2/_stowage/changes/list?${query}`))
  const first = await list('since=0')
  assert.deepEqual([...new Set(first.changes.map(({ repository }) => repository))], ['open/app'])
  assert.equal(first.next, first.last)
  // Pages of nothing but hidden changes are passed over by who waits.
  const waiting = list('since=3&n=2&wait=60')
  await push('secret/app', 'more', ['v1'])
  await push('open/app', 'two', ['v1'])
  const { changes, last } = await waiting
  assert.deepEqual([...new Set(changes.map(({ repository }) => repository))], ['open/app'])
  assert.ok(last > first.last)
})

test('others are answered while what a client may not know of is passed over', async (t) => {
  const { ask, push, registry } = await secretive(t)
  const tags = Array.from({ length: 1000 }, (_, index) => `t${index}`)
  for (const note of ['one', 'two', 'three', 'four']) await push('secret/app', note, tags)
  const { last } = await registry.changes.bounds()
  const stop = new AbortController()
  const waiting = ask('GET', '/v2/_stowage/changes/list?since=0&n=1&wait=60', { signal: stop.signal })
  let turns = 0
  const turn = setInterval(() => turns++, 0)
  t.after(() => clearInterval(turn))
  while (turns < 5) await setImmediate()
  stop.abort()
  const { changes, next } = await json<ChangeList>(waiting)
  assert.deepEqual(changes, [])
  assert.ok(next < last, 'it has read all before others were answered')
})

test('content that is deleted during the request is unknown', async (t) => {
  const { ask, push } = await openRegistry(t, (registry) => ({
    ...registry,
    manifests: {
      ...registry.manifests,
      async read(repository, reference) {
        if (reference.digest !== undefined)
          await registry.manifests.delete(repository, reference.digest, ANONYMOUS)
        return await registry.manifests.read(repository, reference)
      },
    },
  }))
  const digest = await push('open/app', 'x')
  const target = `/v2/_stowage/content/data?digest=${digest}`
  assert.equal((await ask('HEAD', target)).status, 200)
  const gone = await ask('GET', target)
  const unknown = await ask('GET', target)
  assert.equal(gone.status, 404)
  assert.deepEqual(await toldBy(gone), await toldBy(unknown))
})

/** All pages of a list of names, as a client reads them that follows `Link`. */
async function namesOf(
  ask: OpenRegistry['ask'],
  path: string,
): Promise<{ names: string[]; links: string[] }> {
  const names: string[] = []
  const links: string[] = []
  for (let next: string | undefined = path; next !== undefined; ) {
    const answer: Response = await ask('GET', next)
    const { repositories } = (await answer.json()) as { repositories: string[] }
    assert.ok(repositories.length > 0, `${next} is empty`)
    names.push(...repositories)
    next = /^<([^>]+)>/.exec(answer.headers.get('link') ?? '')?.[1]
    if (next !== undefined) links.push(next)
  }
  return { names, links }
}

test('lists of repositories hold full pages of what a client sees, and no page begins at another name', async (t) => {
  const { ask, push } = await secretive(t)
  for (const name of ['open/a', 'secret/a', 'secret/b', 'secret/c', 'secret/d', 'top', 'under/open', 'zone'])
    await push(name, 'x')
  const catalog = await namesOf(ask, '/v2/_catalog?n=2')
  assert.deepEqual(catalog.names, ['open/a', 'top', 'under/open', 'zone'])
  assert.deepEqual(catalog.links, ['/v2/_catalog?last=top&n=2'])
  const all = await namesOf(ask, '/v2/_stowage/repositories/list?recursive=true&n=2')
  assert.deepEqual(all.names, ['open/a', 'top', 'under/open', 'zone'])
  assert.equal(all.links.length, 1)
  // A path whose repositories cannot be seen is not there either.
  const top = await namesOf(ask, '/v2/_stowage/repositories/list')
  assert.deepEqual(top.names, ['open', 'top', 'under', 'zone'])
})

test('a blob is mounted only from repositories that a client sees', async (t) => {
  const { ask } = await secretive(t)
  const bytes = Buffer.from('a layer')
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
  const push = async (name: string) => {
    const pushed = await ask('POST', `/v2/${name}/blobs/uploads/?digest=${digest}`, { body: bytes })
    assert.equal(pushed.status, 201)
  }
  const mount = async (from: string) =>
    (await ask('POST', `/v2/open/app/blobs/uploads/?mount=${digest}${from}`)).status
  for (let index = 0; index < 3; index++) await push(`secret/${index}`)
  assert.equal(await mount(''), 202)
  assert.equal(await mount('&from=secret/1'), 202)
  assert.equal((await ask('HEAD', `/v2/open/app/blobs/${digest}`)).status, 404)
  await push('open/source')
  assert.equal(await mount(''), 201)
  assert.equal((await ask('HEAD', `/v2/open/app/blobs/${digest}`)).status, 200)
})

test('what a caller may not do is denied, at each endpoint and whatever there is', async (t) => {
  const asked: string[] = []
  const reader: Caller = {
    actor: ANONYMOUS,
    visibility: OUTSIDER.visibility,
    async may(action, repository) {
      asked.push(`${action} ${repository ?? ''}`.trim())
      return action === 'pull'
    },
  }
  const { ask } = await openRegistry(t, (registry) => registry, reader)
  const digest = `sha256:${'0'.repeat(64)}`
  for (const [method, path, action] of [
    ['PUT', '/v2/app/manifests/v1', 'push app'],
    ['DELETE', '/v2/app/manifests/v1', 'delete app'],
    ['POST', '/v2/app/blobs/uploads/', 'push app'],
    ['DELETE', `/v2/app/blobs/${digest}`, 'delete app'],
    ['GET', '/v2/_catalog', 'catalog'],
    ['GET', '/v2/_stowage/repositories/list', 'catalog'],
    ['POST', '/v2/app/_stowage/tags/rollback', 'push app'],
    ['DELETE', '/v2/app/_stowage/repository/self', 'delete app'],
  ] as const) {
    const denied = await ask(method, path)
    assert.equal(denied.status, 403, `${method} ${path}`)
    assert.match(await denied.text(), /"DENIED"/)
    assert.equal(asked.at(-1), action, `${method} ${path}`)
  }
  assert.equal((await ask('GET', '/v2/app/manifests/v1')).status, 404)
  assert.equal(asked.at(-1), 'pull app')
})
