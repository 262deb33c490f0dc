import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  EMPTY_CONFIG,
  manifestDescriptor,
  manifestOf,
  OCI_INDEX,
  pushBlob,
  pushManifest,
  type TestManifest,
} from '../content.ts'
import { feedUrl, listChanges, readEvents } from '../protocol/changes.ts'
import { startStowage } from '../stowage.ts'
import { Mirror, readRepository } from './mirror.ts'

const MANIFESTS = 10_000
const PUSHERS = 16
const WRITERS = 6
const ROUNDS = 250
const TAGS = 300
const NAME = 'team/mirrored'
/** Set behind all else, so that whoever follows knows that this was all. */
const LAST = 'the-last-one'

/** Numbers that look random, and are the same each time. */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

function artifact(note: string): TestManifest {
  return manifestOf({ config: EMPTY_CONFIG, layers: [EMPTY_CONFIG], annotations: { note } })
}

async function put(url: string, manifest: TestManifest, reference?: string): Promise<void> {
  const pushed = await pushManifest(url, NAME, manifest, reference)
  assert.equal(pushed.status, 201, await pushed.text())
}

/** Fills the repository with manifests, of which each tenth has a tag. */
async function fill(url: string): Promise<TestManifest[]> {
  await pushBlob(url, NAME, '{}')
  const manifests = Array.from({ length: MANIFESTS }, (_, index) => artifact(`first ${index}`))
  let next = 0
  const push = async () => {
    for (let index = next++; index < MANIFESTS; index = next++) {
      await put(
        url,
        manifests[index] as TestManifest,
        index % 10 === 0 ? `t${(index / 10) % TAGS}` : undefined,
      )
    }
  }
  await Promise.all(Array.from({ length: PUSHERS }, push))
  return manifests
}

/** Pushes, tags anew and deletes, whatever comes. */
async function write(url: string, known: TestManifest[], seed: number): Promise<void> {
  const random = numbers(seed)
  for (let round = 0; round < ROUNDS; round++) {
    const one = known[random(known.length)] as TestManifest
    const kind = random(10)
    if (kind < 4) {
      const pushed = artifact(`${seed} ${round}`)
      known.push(pushed)
      await put(url, pushed, kind < 3 ? `t${random(TAGS)}` : undefined)
    } else if (kind < 6) await put(url, one, `t${random(TAGS)}`)
    else if (kind < 8) await remove(url, one.digest)
    else if (kind < 9) await remove(url, `t${random(TAGS)}`)
    else await pushIndex(url, [one, known[random(known.length)] as TestManifest], `t${random(TAGS)}`)
  }
}

/** What is there already may be gone, or be needed by an index. */
async function remove(url: string, reference: string): Promise<void> {
  const removed = await fetch(`${url}/v2/${NAME}/manifests/${reference}`, { method: 'DELETE' })
  await removed.arrayBuffer()
  assert.ok([202, 404, 405].includes(removed.status), String(removed.status))
}

/** Refused if what it names is gone. */
async function pushIndex(url: string, children: TestManifest[], tag: string): Promise<void> {
  const index = manifestOf({ manifests: children.map(manifestDescriptor) }, OCI_INDEX)
  const pushed = await pushManifest(url, NAME, index, tag)
  await pushed.arrayBuffer()
  assert.ok([201, 400].includes(pushed.status), String(pushed.status))
}

/** Copies what is there, then goes on with the list of changes, waiting at its end. */
async function mirrorByList(url: string): Promise<Mirror> {
  const mirror = new Mirror({ url, name: NAME })
  let { next } = await listChanges(url, NAME, '')
  await mirror.copy()
  for (let isDone = false; !isDone; ) {
    const page = await listChanges(url, NAME, `?since=${next}&n=97&wait=30`)
    await mirror.apply(page.changes)
    isDone = page.changes.some(({ subject }) => subject === LAST)
    next = page.next
  }
  return mirror
}

/** Begins with the first change of all, by streams that break off again and again. */
async function mirrorByStream(url: string): Promise<Mirror> {
  const mirror = new Mirror({ url, name: NAME })
  for (let isDone = false; !isDone; ) {
    const last = mirror.told.at(-1)?.sequence
    const headers: Record<string, string> = last === undefined ? {} : { 'Last-Event-ID': String(last) }
    const answer = await fetch(feedUrl(url, NAME, 'stream', '?since=0'), { headers })
    assert.equal(answer.status, 200)
    const events = await readEvents(
      answer,
      (told) => told.length >= 1500 || told.some(({ subject }) => subject === LAST),
    )
    await mirror.apply(events)
    isDone = events.some(({ subject }) => subject === LAST)
  }
  return mirror
}

test('mirrors that follow the feed alone equal the original, which changed all the time', async (t) => {
  const { url } = await startStowage(t)
  const known = await fill(url)
  const mirrors = Promise.all([mirrorByList(url), mirrorByStream(url)])
  const before = (await listChanges(url, '', '')).last
  await Promise.all(Array.from({ length: WRITERS }, (_, seed) => write(url, known, seed + 1)))
  await put(url, artifact('last'), LAST)

  const original = await readRepository(url, NAME)
  const [byList, byStream] = await mirrors
  assert.deepEqual(byList.content(), original)
  assert.deepEqual(byStream.content(), original)

  const changes = byStream.told.filter(({ sequence }) => sequence > before)
  const kinds = Map.groupBy(changes, ({ kind }) => kind)
  for (const kind of ['manifest-pushed', 'manifest-deleted', 'tag-set', 'tag-removed']) {
    assert.ok((kinds.get(kind)?.length ?? 0) > 50, `${kind} happened ${kinds.get(kind)?.length} times`)
  }
  assert.ok(original.length > MANIFESTS / 2 && byStream.told.length > MANIFESTS)
})
