import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import {
  bytesOf,
  errorCodes,
  manifestOf,
  OCI_INDEX,
  pushBlob,
  pushManifest,
  type TestManifest,
} from '../content.ts'
import { startForFile } from './file-server.ts'

const { url } = await startForFile()

const OTHER = `sha256:${'0'.repeat(64)}`

/** A manifest like no other that needs nothing. */
function emptyIndex(): TestManifest {
  return manifestOf({ manifests: [], annotations: { id: randomBytes(8).toString('hex') } }, OCI_INDEX)
}

/** Pushes a manifest under a tag, on conditions. */
async function setTag(
  name: string,
  tag: string,
  manifest: TestManifest,
  headers: Record<string, string> = {},
): Promise<Response> {
  return await fetch(`${url}/v2/${name}/manifests/${tag}`, {
    method: 'PUT',
    headers: { 'Content-Type': manifest.mediaType, ...headers },
    body: new Uint8Array(manifest.bytes),
  })
}

async function tagged(name: string, tag: string): Promise<string | null> {
  const head = await fetch(`${url}/v2/${name}/manifests/${tag}`, { method: 'HEAD' })
  return head.status === 404 ? null : head.headers.get('docker-content-digest')
}

async function assertFailed(response: Response): Promise<void> {
  assert.equal(response.status, 412)
  assert.deepEqual(await errorCodes(response), ['DENIED'])
}

test('If-None-Match with what the client has is answered 304 without a body, else with the content', async () => {
  const manifest = emptyIndex()
  await setTag('read', 'v1', manifest)
  const targets = new Map([
    [`${url}/v2/read/manifests/v1`, manifest.digest],
    [`${url}/v2/read/manifests/${manifest.digest}`, manifest.digest],
  ])
  for (const size of [100, 200_000]) {
    const digest = await pushBlob(url, 'read', randomBytes(size))
    targets.set(`${url}/v2/read/blobs/${digest}`, digest)
  }
  for (const [target, digest] of targets) {
    const quoted = `"${digest}"`
    for (const method of ['GET', 'HEAD']) {
      for (const tag of [
        quoted,
        digest,
        `W/${quoted}`,
        `"${OTHER}", ${quoted}`,
        `"a",W/${quoted} , "b"`,
        '*',
      ]) {
        const unchanged = await fetch(target, { method, headers: { 'If-None-Match': tag } })
        assert.equal(unchanged.status, 304, tag)
        assert.equal(unchanged.headers.get('etag'), quoted)
        assert.equal(unchanged.headers.get('docker-content-digest'), digest)
        assert.ok(unchanged.headers.has('cache-control'))
        assert.equal((await bytesOf(unchanged)).length, 0)
      }
      for (const tag of [`"${OTHER}"`, OTHER, `"${digest.slice(0, -1)}"`, '""', `"a,${digest}"`]) {
        const changed = await fetch(target, { method, headers: { 'If-None-Match': tag } })
        assert.equal(changed.status, 200, tag)
        assert.equal(changed.headers.get('etag'), quoted)
        assert.equal((await bytesOf(changed)).length > 0, method === 'GET')
      }
    }
  }
})

test('If-None-Match is checked before Range: content that the client has is not sent in part either', async () => {
  const digest = await pushBlob(url, 'read', randomBytes(1000))
  const unchanged = await fetch(`${url}/v2/read/blobs/${digest}`, {
    headers: { 'If-None-Match': `"${digest}"`, Range: 'bytes=0-9' },
  })
  assert.equal(unchanged.status, 304)
})

test('the ETag of a tag changes with what it points to, and 304 ends then', async () => {
  const [first, second] = [emptyIndex(), emptyIndex()]
  await setTag('moves', 'v1', first)
  const headers = { 'If-None-Match': `"${first.digest}"` }
  assert.equal((await fetch(`${url}/v2/moves/manifests/v1`, { headers })).status, 304)
  await setTag('moves', 'v1', second)
  const changed = await fetch(`${url}/v2/moves/manifests/v1`, { headers })
  assert.equal(changed.status, 200)
  assert.equal(changed.headers.get('etag'), `"${second.digest}"`)
})

test('If-Match lets a tag be set only while it points to what the client says', async () => {
  const [first, second, third] = [emptyIndex(), emptyIndex(), emptyIndex()]
  await assertFailed(await setTag('match', 'v1', first, { 'If-Match': '*' }))
  await assertFailed(await setTag('match', 'v1', first, { 'If-Match': `"${first.digest}"` }))
  assert.equal(await tagged('match', 'v1'), null)
  await setTag('match', 'v1', first)
  for (const tag of [`"${second.digest}"`, `W/"${first.digest}"`, `"${OTHER}", "x"`]) {
    await assertFailed(await setTag('match', 'v1', second, { 'If-Match': tag }))
    assert.equal(await tagged('match', 'v1'), first.digest)
  }
  const list = { 'If-Match': `"${OTHER}", "${first.digest}"` }
  assert.equal((await setTag('match', 'v1', second, list)).status, 201)
  assert.equal(await tagged('match', 'v1'), second.digest)
  assert.equal((await setTag('match', 'v1', third, { 'If-Match': '*' })).status, 201)
  assert.equal(await tagged('match', 'v1'), third.digest)
})

test('If-None-Match: * sets a tag only if it does not exist', async () => {
  const [first, second] = [emptyIndex(), emptyIndex()]
  const headers = { 'If-None-Match': '*' }
  assert.equal((await setTag('none', 'v1', first, headers)).status, 201)
  await assertFailed(await setTag('none', 'v1', second, headers))
  await assertFailed(await setTag('none', 'v1', first, headers))
  assert.equal(await tagged('none', 'v1'), first.digest)
  assert.equal((await setTag('none', 'v2', second, headers)).status, 201)
})

test('a manifest that is refused for its tag is not stored either', async () => {
  const [first, second] = [emptyIndex(), emptyIndex()]
  await setTag('stored', 'v1', first)
  await assertFailed(await setTag('stored', 'v1', second, { 'If-None-Match': '*' }))
  assert.equal(await tagged('stored', second.digest), null)
})

test('of several tags at once all are set or, if one is not as the client says, none', async () => {
  const [first, second] = [emptyIndex(), emptyIndex()]
  await setTag('several', 'b', first)
  const target = `${second.digest}?tag=a&tag=b&tag=c`
  await assertFailed(await setTag('several', target, second, { 'If-None-Match': '*' }))
  assert.equal(await tagged('several', 'a'), null)
  assert.equal(await tagged('several', 'b'), first.digest)
  assert.equal(await tagged('several', 'c'), null)
})

test('a tag is deleted only while it is what the client says', async () => {
  const manifest = emptyIndex()
  await setTag('delete', 'v1', manifest)
  const remove = (headers: Record<string, string>) =>
    fetch(`${url}/v2/delete/manifests/v1`, { method: 'DELETE', headers })
  await assertFailed(await remove({ 'If-Match': `"${OTHER}"` }))
  await assertFailed(await remove({ 'If-None-Match': `"${manifest.digest}"` }))
  assert.equal(await tagged('delete', 'v1'), manifest.digest)
  assert.equal((await remove({ 'If-Match': `"${manifest.digest}"` })).status, 202)
  assert.equal(await tagged('delete', 'v1'), null)
  assert.equal((await remove({ 'If-Match': `"${manifest.digest}"` })).status, 404)
})

test('of many clients that make or swap a tag at once exactly one succeeds', async () => {
  const start = emptyIndex()
  await setTag('swap', 'old', start)
  for (const [tag, headers] of [
    ['old', { 'If-Match': `"${start.digest}"` }],
    ['new', { 'If-None-Match': '*' }],
  ] as const) {
    const manifests = Array.from({ length: 12 }, emptyIndex)
    const answers = await Promise.all(manifests.map((manifest) => setTag('swap', tag, manifest, headers)))
    const won = manifests.filter((_, index) => answers[index]?.status === 201)
    assert.equal(won.length, 1)
    assert.equal(answers.filter((answer) => answer.status === 412).length, 11)
    assert.equal(await tagged('swap', tag), won[0]?.digest)
  }
})

test('many clients that swap a list by If-Match until they succeed lose nothing', async () => {
  const add = async (entry: string): Promise<void> => {
    for (;;) {
      const read = await fetch(`${url}/v2/list/manifests/v1`)
      const found = read.status === 404 ? {} : ((await read.json()) as { annotations: object }).annotations
      const condition: Record<string, string> =
        read.status === 404 ? { 'If-None-Match': '*' } : { 'If-Match': read.headers.get('etag') ?? '' }
      const next = manifestOf({ manifests: [], annotations: { ...found, [entry]: 'x' } }, OCI_INDEX)
      if ((await setTag('list', 'v1', next, condition)).status === 201) return
    }
  }
  const entries = Array.from({ length: 6 }, (_, index) => `entry${index}`)
  await Promise.all(entries.map(add))
  const list = (await (await fetch(`${url}/v2/list/manifests/v1`)).json()) as { annotations: object }
  assert.deepEqual(Object.keys(list.annotations).sort(), entries)
})

test('a condition does not change the refusal of a request that is refused anyway', async () => {
  const unknown = manifestOf({ layers: [{ mediaType: 'x/y', digest: OTHER, size: 1 }] })
  const refused = await setTag('refused', 'v1', unknown, { 'If-Match': `"${OTHER}"` })
  assert.equal(refused.status, 400)
  assert.deepEqual(await errorCodes(refused), ['MANIFEST_BLOB_UNKNOWN'])
  assert.equal((await pushManifest(url, 'refused', emptyIndex(), 'v1')).status, 201)
})

test('If-Match is also compared with a manifest that is named by its digest', async () => {
  const manifest = emptyIndex()
  await setTag('digests', 'v1', manifest)
  const blob = await pushBlob(url, 'digests', randomBytes(1000))
  for (const [target, digest] of [
    [`${url}/v2/digests/manifests/${manifest.digest}`, manifest.digest],
    [`${url}/v2/digests/blobs/${blob}`, blob],
  ] as const) {
    for (const method of ['GET', 'DELETE']) {
      const refused = await fetch(target, { method, headers: { 'If-Match': `"${OTHER}"` } })
      assert.equal(refused.status, 412, method)
      const headers = { 'If-Match': `"${OTHER}", "${digest}"` }
      assert.equal((await fetch(target, { method, headers })).ok, true, method)
    }
  }
})
