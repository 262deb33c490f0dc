import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_FOLLOWERS_OF_CLIENT } from '../../src/extensions/stowage/followers.ts'
import { type ListeningServer, listen } from '../../src/http/node.ts'
import { pushArtifact } from '../content.ts'
import { startStowage } from '../stowage.ts'
import { assertWhole, feedUrl, listChanges, readEvents, type ToldChange } from './changes.ts'
import { answerOthers, startForFile } from './file-server.ts'
import { openRegistry } from './open-registry.ts'

const { url } = await startForFile()

async function push(name: string, note: string): Promise<void> {
  await pushArtifact(url, name, { annotations: { note } }, 'v1')
}

function open(repository: string, query: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(feedUrl(url, repository, 'stream', query), { headers })
}

function toldOf(subject: string): (events: readonly ToldChange[]) => boolean {
  return (events) => events.some((event) => event.subject === subject)
}

test('a stream has earlier changes and continues with new ones', async () => {
  for (const note of ['1', '2']) await push('told/app', note)
  for (const repository of ['', 'told/app']) {
    const answer = await open(repository, '?since=0')
    assert.equal(answer.status, 200)
    assert.equal(answer.headers.get('content-type'), 'text/event-stream')
    assert.equal(answer.headers.get('cache-control'), 'no-store, no-transform')
    const reading = readEvents(answer, toldOf(`later-${repository.length}`))
    await pushArtifact(url, 'told/app', {}, `later-${repository.length}`)
    const events = await reading
    assertWhole(events)
    const { changes } = await listChanges(url, repository, '?since=0')
    assert.deepEqual(events, changes.slice(0, events.length))
    assert.equal(events.at(-1)?.kind, 'tag-set')
  }
})

test('without a start, a stream has only later changes', async () => {
  const answer = await open('', '')
  const reading = readEvents(answer, ({ length }) => length > 0)
  await push('next/app', 'x')
  const [first] = await reading
  assert.deepEqual([first?.kind, first?.repository], ['repository-created', 'next/app'])
})

test('a client that reconnects continues after the last event, wherever the stream began', async () => {
  const { changes } = await listChanges(url, '', '?since=0')
  const [, second, third] = changes
  const headers = { 'Last-Event-ID': String(second?.sequence) }
  const [event] = await readEvents(await open('', '?since=0', headers), ({ length }) => length > 0)
  assert.deepEqual(event, third)
  const fromBegin = await open('', '?since=0', { 'Last-Event-ID': '' })
  const [first] = await readEvents(fromBegin, ({ length }) => length > 0)
  assert.deepEqual(first, changes[0])
})

test('while many clients write, a reader whose connection breaks again and again gets every change once', async () => {
  const since = (await listChanges(url, '', '')).next
  const told: ToldChange[] = []
  const read = async () => {
    while (!toldOf('last')(told)) {
      const last = told.at(-1)
      const headers: Record<string, string> = last ? { 'Last-Event-ID': String(last.sequence) } : {}
      const limit = 1 + (told.length % 5)
      const answer = await open('', `?since=${since}`, headers)
      told.push(...(await readEvents(answer, (events) => events.length >= limit || toldOf('last')(events))))
    }
  }
  const write = async (writer: number) => {
    for (let round = 0; round < 10; round++) await push(`broken/app${round % 2}`, `${writer} ${round}`)
  }
  const reading = read()
  await Promise.all([0, 1, 2, 3].map(write))
  await pushArtifact(url, 'broken/app0', {}, 'last')
  await reading
  const { changes } = await listChanges(url, '', `?since=${since}`)
  assertWhole(told)
  assert.deepEqual(told, changes.slice(0, told.length))
  assert.ok(toldOf('last')(told))
})

test('a stream ends, whole, when the server closes', async (t) => {
  const server = await startStowage(t)
  await pushArtifact(server.url, 'closing/app', {}, 'v1')
  const answers = await Promise.all(
    ['', 'closing/app'].map((level) => fetch(feedUrl(server.url, level, 'stream', '?since=0'))),
  )
  const texts = answers.map((answer) => answer.text())
  const closed = server.close()
  for (const text of await Promise.all(texts)) assert.match(text, /"subject":"v1".*\n\n(?::\n\n)*$/)
  await closed
})

test('no more than so many wait at a time, and each that goes makes room', async (t) => {
  const server = await startStowage(t)
  const stop = new AbortController()
  const target = feedUrl(server.url, '', 'stream', '')
  const streams = await Promise.all(
    Array.from({ length: MAX_FOLLOWERS_OF_CLIENT }, () => fetch(target, { signal: stop.signal })),
  )
  assert.ok(streams.every(({ status }) => status === 200))
  const waiting = feedUrl(server.url, '', 'list', '?wait=1')
  for (const refused of [await fetch(target), await fetch(waiting)]) {
    assert.equal(refused.status, 503)
    assert.match(
      await refused.text(),
      /"UNAVAILABLE".*512 other requests from the same address are already waiting for changes/,
    )
  }
  assert.equal((await fetch(feedUrl(server.url, '', 'list', ''))).status, 200)
  const head = await fetch(target, { method: 'HEAD' })
  assert.equal(head.status, 503)
  stop.abort()
  await Promise.allSettled(streams.map((stream) => stream.text()))
  for (let tries = 0; (await fetch(waiting)).status !== 200; tries++) {
    assert.ok(tries < 200, 'no place becomes free')
    await answerOthers(server.url, 50)
  }
})

test('HEAD of a stream has only its headers, and does not count as a follower', async () => {
  for (let asked = 0; asked <= MAX_FOLLOWERS_OF_CLIENT; asked++) {
    const head = await fetch(feedUrl(url, '', 'stream', ''), { method: 'HEAD' })
    assert.equal(head.status, 200)
    assert.equal(await head.text(), '')
  }
})

test('what a reader has not taken yet stays in the log', async (t) => {
  let limits: number[] = []
  const { push: pushTo, ask } = await openRegistry(t, (registry) => ({
    ...registry,
    changes: {
      ...registry.changes,
      read(query) {
        limits.push(query.limit)
        return registry.changes.read(query)
      },
    },
  }))
  const tags = Array.from({ length: 400 }, (_, index) => `t${index}`)
  await pushTo('slow/app', 'x', tags)
  const answer = await ask('GET', '/v2/_stowage/changes/stream?since=0')
  const reader = answer.body?.getReader()
  assert.ok(reader !== undefined)
  for (let chunk = 0; chunk < 50; chunk++) await reader.read()
  assert.deepEqual(limits, [100])
  for (let chunk = 0; chunk < 100; chunk++) await reader.read()
  assert.deepEqual(limits, [100, 100])
  limits = []
  await reader.cancel()
  assert.deepEqual(limits, [])
})

test('a stream that cannot continue says why and ends', async (t) => {
  const { push: pushTo, ask, forget } = await openRegistry(t, (registry) => registry)
  const tags = Array.from({ length: 200 }, (_, index) => `t${index}`)
  await pushTo('late/app', 'x', tags)
  await pushTo('late/app', 'y', tags)
  const answer = await ask('GET', '/v2/late/app/_stowage/changes/stream?since=0')
  const reader = answer.body?.getReader()
  assert.ok(reader !== undefined)
  await reader.read()
  await forget()
  let text = ''
  for (let next = await reader.read(); !next.done; next = await reader.read()) text += Buffer.from(next.value)
  const events = text.split('\n\n').filter((event) => event !== '' && !event.startsWith(':'))
  assert.equal(events.filter((event) => event.includes('event: change')).length, 100)
  assert.match(
    events.at(-1) ?? '',
    /^event: end\ndata: \{"code":"UNSUPPORTED","message":"changes up to .*","detail":\{"reason":"HISTORY_PRUNED","floor":\d+,"last":403,"requestId":"[^"]+"\}\}$/,
  )
})

test('a stream with few events in many minutes continues', async (t) => {
  let server: ListeningServer | undefined
  // Before the registry, which it reads until then.
  t.after(() => server?.close())
  const { push: pushTo, app } = await openRegistry(t, (registry) => registry)
  const log = { debug() {}, error: (fields: object) => assert.fail(JSON.stringify(fields)) }
  server = await listen(app, { host: '127.0.0.1', port: 0, log })
  const answer = await fetch(feedUrl(`http://127.0.0.1:${server.address.port}`, '', 'stream', '?since=0'))
  const now = performance.now.bind(performance)
  let minutes = 0
  t.mock.method(performance, 'now', () => now() + minutes * 60_000)
  let told = 0
  await pushTo('quiet/app', '0', ['v0'])
  await readEvents(answer, (events) => {
    if (events.length === told) return false
    told = events.length
    minutes++
    if (minutes < 5) void pushTo('quiet/app', String(minutes), [`v${minutes}`])
    return events.some(({ subject }) => subject === 'v4')
  })
  assert.ok(minutes > 4)
})

test('the stream of a deleted repository ends, and a new repository with the same name has a new stream', async () => {
  await push('going/app', 'old')
  const since = (await listChanges(url, '', '')).next
  const answer = await open('going/app', '')
  const removed = await fetch(`${url}/v2/going/app/_stowage/repository/self`, { method: 'DELETE' })
  assert.equal(removed.status, 202, await removed.text())
  assert.match(
    await answer.text(),
    /event: end\ndata: \{"code":"NAME_UNKNOWN",.*"detail":\{"reason":"NAME_UNKNOWN","name":"going\/app","requestId":"[^"]+"\}\}\n\n$/,
  )
  const registry = await listChanges(url, '', `?since=${since}`)
  assert.deepEqual(
    registry.changes.map(({ kind, repository }) => [kind, repository]),
    [['repository-deleted', 'going/app']],
  )
  assert.equal((await fetch(feedUrl(url, 'going/app', 'list', `?since=${since}`))).status, 404)
  await untilDeleted('going/app')
  await push('going/app', 'new')
  const { changes } = await listChanges(url, 'going/app', `?since=${since}`)
  assert.deepEqual(
    changes.map(({ kind, revision }) => [kind, revision]),
    [
      ['repository-created', 1],
      ['manifest-pushed', 2],
      ['tag-set', 3],
    ],
  )
})

async function untilDeleted(name: string): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    const begun = await fetch(`${url}/v2/${name}/blobs/uploads/`, { method: 'POST' })
    if (begun.status === 202) return
    assert.equal(begun.status, 409)
    await answerOthers(url, 20)
  }
  assert.fail(`${name} is being deleted for ever`)
}

test('a wrong request is refused before any event is sent', async () => {
  for (const [query, headers, status, message] of [
    ['?since=x', {}, 400, /"since\\" must be a sequence number/],
    ['?since=0', { 'Last-Event-ID': 'x' }, 400, /"Last-Event-ID\\" must be the sequence number of an event/],
    ['?since=99999999', {}, 410, /is greater than the newest one/],
    ['', { 'Last-Event-ID': '99999999' }, 410, /is greater than the newest one/],
    ['', { Accept: 'application/json' }, 406, /answers in text\/event-stream/],
  ] as const) {
    const refused = await open('', query, headers)
    assert.equal(refused.status, status, query)
    assert.match(await refused.text(), message)
  }
  assert.equal((await open('nobody/app', '')).status, 404)
})
