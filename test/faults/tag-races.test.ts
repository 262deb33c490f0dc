import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { bytesOf, digestOf, EMPTY_CONFIG, manifestOf, pushBlob, type TestManifest } from '../content.ts'
import { followLinks } from '../protocol/pages.ts'
import { type Conversation, converseOften } from './conversation.ts'
import { startServer } from './start-server.ts'

const PATIENCE = { timeout: 600_000 }
const PUSHES = 1_000
const CHANGES = 10_000
const TAGS = 40
const READERS = 4

function numbered(number: number): TestManifest {
  return manifestOf({ config: EMPTY_CONFIG, layers: [EMPTY_CONFIG], annotations: { number: String(number) } })
}

async function push(client: Conversation, tag: string, { bytes, mediaType }: TestManifest): Promise<void> {
  const headers = [`Content-Type: ${mediaType}`]
  const pushed = await client.ask(`PUT /v2/app/manifests/${tag}`, { headers, body: bytes })
  assert.equal(pushed.status, 201, pushed.body.toString())
}

test(
  'fault 15: of 1,000 tags that are pushed to one repository at once, none is lost',
  PATIENCE,
  async (t) => {
    const server = await startServer(t, { workers: 4, watched: false })
    await pushBlob(server.url, 'app', '{}')
    const clients = await converseOften(t, server.url, PUSHES)
    const tags = clients.map((_, index) => `v${String(index).padStart(4, '0')}`)
    await Promise.all(clients.map((client, index) => push(client, tags[index] ?? '', numbered(index))))
    for (const client of clients) client.end()
    const pages = await followLinks<{ tags: string[] }>(`${server.url}/v2/app/tags/list?n=300`)
    assert.deepEqual(
      pages.flatMap((page) => page.tags),
      tags,
    )
    await server.close()
    const again = await server.restart()
    const pulls = tags.map(async (tag, index) => {
      const pulled = await bytesOf(await fetch(`${again.url}/v2/app/manifests/${tag}`))
      assert.equal(digestOf(pulled), numbered(index).digest)
    })
    await Promise.all(pulls)
    await again.close()
  },
)

/** A tag that one client sets to one manifest after the other, and how far that has come. */
interface Moving {
  tag: string
  manifests: readonly TestManifest[]
  started: number
  answered: number
}

async function overwrite(client: Conversation, moving: Moving): Promise<void> {
  for (const manifest of moving.manifests) {
    moving.started++
    await push(client, moving.tag, manifest)
    moving.answered++
  }
}

/** Pulls a tag once: its bytes must be those that the headers speak of, and no older than what was answered before. */
async function pull(client: Conversation, moving: Moving): Promise<void> {
  const { tag, manifests, answered } = moving
  const { status, headers, body } = await client.ask(`GET /v2/app/manifests/${tag}`)
  assert.equal(status, 200)
  const digest = digestOf(body)
  assert.equal(headers['docker-content-digest'], digest)
  assert.equal(headers.etag, `"${digest}"`)
  const at = manifests.findIndex((manifest) => manifest.digest === digest)
  const isFresh = at >= answered - 1 && at < moving.started
  assert.ok(isFresh, `${tag} leads to manifest ${at}, after ${answered} were answered`)
}

test(
  'fault 16: each of 10,000 pulls of tags that are overwritten 10,000 times has one whole manifest, and never an old one',
  PATIENCE,
  async (t) => {
    const server = await startServer(t, { workers: 4, watched: false })
    await pushBlob(server.url, 'app', '{}')
    const clients = await converseOften(t, server.url, TAGS)
    const readers = await converseOften(t, server.url, READERS)
    const tags = clients.map((client, index): { client: Conversation; moving: Moving } => {
      const manifests = Array.from({ length: CHANGES / TAGS }, (_, turn) => numbered(turn * TAGS + index))
      return { client, moving: { tag: `moving${index}`, manifests, started: 0, answered: 0 } }
    })
    let isOver = false
    const writing = Promise.all(tags.map(({ client, moving }) => overwrite(client, moving))).finally(() => {
      isOver = true
    })
    let pulls = 0
    const reading = readers.map(async (reader) => {
      while (tags.some(({ moving }) => moving.answered === 0) && !isOver) await nextTurn()
      for (; !isOver || pulls < CHANGES; pulls++)
        await pull(reader, tags[pulls % TAGS]?.moving ?? assert.fail())
    })
    await Promise.all([writing, ...reading])
    t.diagnostic(`${pulls} pulls while ${CHANGES} manifests were pushed`)
    await server.close()
  },
)
