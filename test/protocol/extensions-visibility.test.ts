import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { ChangeList } from './changes.ts'
import { type OpenRegistry, openRegistry } from './open-registry.ts'

/** A registry whose client may not pull from anything below `secret`. */
async function secretive(t: TestContext): Promise<OpenRegistry> {
  return await openRegistry(t, (context) => ({
    ...context,
    mayPull: async (repository) => !repository.startsWith('secret/'),
  }))
}

async function json<T>(answer: Promise<Response>): Promise<T> {
  return (await (await answer).json()) as T
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
        assert.deepEqual([...secret.headers], [...unknown.headers])
        assert.equal(await secret.text(), (await unknown.text()).replaceAll(absent, digest))
      }
    }
  }
  await push('open/app', 'x', ['v1'])
  assert.equal((await ask('GET', `/v2/_stowage/content/data?digest=${digest}`)).status, 200)
})

test('content is found behind repositories from which a client may not pull', async (t) => {
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

test('the feed leaves out what a client may not know of, and goes on behind it', async (t) => {
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
  const tags = Array.from({ length: 2000 }, (_, index) => `t${index}`)
  for (const note of ['one', 'two']) await push('secret/app', note, tags)
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

test('what is deleted while it is being answered is as unknown as any other', async (t) => {
  const { ask, push } = await openRegistry(t, ({ registry, ...context }) => ({
    ...context,
    registry: {
      ...registry,
      manifests: {
        ...registry.manifests,
        async read(repository, reference) {
          if (reference.digest !== undefined) await registry.manifests.delete(repository, reference.digest)
          return await registry.manifests.read(repository, reference)
        },
      },
    },
  }))
  const digest = await push('open/app', 'x')
  const target = `/v2/_stowage/content/data?digest=${digest}`
  assert.equal((await ask('HEAD', target)).status, 200)
  const gone = await ask('GET', target)
  const unknown = await ask('GET', target)
  assert.equal(gone.status, 404)
  assert.equal(await gone.text(), await unknown.text())
})
