import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errorCodes, manifestOf, OCI_INDEX, pushManifest } from '../content.ts'
import { startServer } from './start-server.ts'

const PATIENCE = { timeout: 300_000 }
const TAGS = 5_000
const DELETED = 'manifest-deleted'

interface Change {
  sequence: number
  kind: string
  subject: string
}

async function changesFrom(url: string, since: number): Promise<Change[]> {
  const found: Change[] = []
  for (let next = since; ; ) {
    const answer = await fetch(`${url}/v2/app/_stowage/changes/list?since=${next}`)
    const page = (await answer.json()) as { changes: Change[]; next: number; last: number }
    found.push(...page.changes)
    if (page.next === page.last) return found
    next = page.next
  }
}

/** Waits until the log tells of every tag that went. */
async function removalsOf(url: string, count: number): Promise<Change[]> {
  for (let tries = 0; tries < 600; tries++) {
    const removals = (await changesFrom(url, 0)).filter(({ kind }) => kind === 'tag-removed')
    if (removals.length >= count) return removals
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return assert.fail('not all tags have been removed after a minute')
}

test(
  'fault 55: a manifest with thousands of tags is gone at once, and its rows go between other writes and after a crash',
  PATIENCE,
  async (t) => {
    const server = await startServer(t, { workers: 1, watched: false })
    const manifest = manifestOf({ manifests: [] }, OCI_INDEX)
    const tags = Array.from({ length: TAGS }, (_, index) => `t${String(index).padStart(5, '0')}`)
    const path = `/v2/app/manifests/${manifest.digest}`
    for (let start = 0; start < TAGS; start += 100) {
      const query = tags.slice(start, start + 100).map((tag) => `tag=${tag}`)
      const headers = { 'Content-Type': manifest.mediaType }
      const url = `${server.url}${path}?${query.join('&')}`
      assert.equal(
        (await fetch(url, { method: 'PUT', headers, body: Buffer.from(manifest.bytes) })).status,
        201,
      )
    }
    assert.equal((await fetch(`${server.url}${path}`, { method: 'DELETE' })).status, 202)
    for (const tag of [tags[0], tags[2_500], tags.at(-1)]) {
      assert.equal((await fetch(`${server.url}/v2/app/manifests/${tag}`)).status, 404)
    }
    const listed = (await (await fetch(`${server.url}/v2/app/tags/list`)).json()) as { tags: string[] }
    assert.deepEqual(listed.tags, [])
    const pushed = await pushManifest(server.url, 'app', manifest, 't02500')
    assert.equal(pushed.status, 201)

    // Whatever has not been removed yet is found again.
    await server.close()
    const again = await server.restart({ workers: 1, watched: false, preloads: ['frequent-sweeps'] })
    const removals = await removalsOf(again.url, TAGS)
    assert.deepEqual(removals.map(({ subject }) => subject).sort(), tags)
    const left = (await (await fetch(`${again.url}/v2/app/tags/list`)).json()) as { tags: string[] }
    assert.deepEqual(left.tags, ['t02500'])
    const all = await changesFrom(again.url, 0)
    const deletion = all.findIndex(({ kind }) => kind === DELETED)
    assert.ok(all.slice(0, deletion).every(({ kind }) => kind !== 'tag-removed'))
    await again.close()
  },
)

test('fault 55: the media type of a digest does not change', PATIENCE, async (t) => {
  const server = await startServer(t, { workers: 1 })
  const body = { manifests: [], mediaType: undefined }
  const first = manifestOf(body, 'application/vnd.one+json')
  const second = { ...first, mediaType: 'application/vnd.two+json' }
  for (const status of [201, 201]) assert.equal((await pushManifest(server.url, 'app', first)).status, status)
  const refused = await pushManifest(server.url, 'app', second, 'v2')
  assert.equal(refused.status, 400)
  assert.deepEqual(await errorCodes(refused.clone()), ['MANIFEST_INVALID'])
  assert.match(await refused.text(), /application\/vnd\.one\+json/)
  const head = await fetch(`${server.url}/v2/app/manifests/${first.digest}`, { method: 'HEAD' })
  assert.equal(head.headers.get('content-type'), 'application/vnd.one+json')
  await server.close()
})
