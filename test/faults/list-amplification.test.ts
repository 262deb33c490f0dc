import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  digestIn,
  errorCodes,
  manifestDescriptor,
  manifestOf,
  OCI_INDEX,
  pushManifest,
  type TestManifest,
} from '../content.ts'
import { memoryOf, NO_FIGURES, watchMemory } from './process-figures.ts'
import { type FaultServer, startServer } from './start-server.ts'

const PATIENCE = { timeout: 300_000 }
const MIB = 1024 * 1024
/** What clients read of an index. */
const MAX_ANSWER = 4 * MIB
const LIST = '/v2/app/_stowage/manifests/list'
const REF_NAME = 'org.opencontainers.image.ref.name'

interface Entry {
  digest: string
  tags?: string[]
  annotations?: Record<string, string>
}

interface Page {
  entries: Entry[]
  bytes: number
  next: string | undefined
}

function annotated(annotations: object, extra: object = {}): TestManifest {
  return manifestOf(
    { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [], annotations, ...extra },
    OCI_INDEX,
  )
}

/** Pushes a manifest with `count` tags, some in each request. @returns their names, in order */
async function pushTagged({ url }: FaultServer, manifest: TestManifest, count: number): Promise<string[]> {
  const tags = Array.from({ length: count }, (_, index) => `t${String(index).padStart(5, '0')}`)
  for (let start = 0; start < count; start += 100) {
    const query = tags.slice(start, start + 100).map((tag) => `tag=${tag}`)
    const pushed = await fetch(`${url}/v2/app/manifests/${manifest.digest}?${query.join('&')}`, {
      method: 'PUT',
      headers: { 'Content-Type': manifest.mediaType },
      body: Buffer.from(manifest.bytes),
    })
    assert.equal(pushed.status, 201, await pushed.text())
  }
  return tags
}

async function readPage(url: string, path: string, accept: string): Promise<Page> {
  const answer = await fetch(new URL(path, url), { headers: { Accept: accept } })
  const body = await answer.text()
  assert.equal(answer.status, 200, body.slice(0, 500))
  const next = /^<([^>]+)>/.exec(answer.headers.get('link') ?? '')?.[1]
  return { entries: JSON.parse(body).manifests, bytes: Buffer.byteLength(body), next }
}

async function* readPages({ url }: FaultServer, path: string, accept: string): AsyncGenerator<Page> {
  for (let next: string | undefined = path; next !== undefined; ) {
    const page: Page = await readPage(url, next, accept)
    assert.ok(page.bytes <= MAX_ANSWER, `${page.bytes} bytes`)
    yield page
    next = page.next
  }
}

test(
  'fault 54: an index that repeats annotations for each tag is no longer than any other page',
  PATIENCE,
  async (t) => {
    const server = await startServer(t, { workers: 1, watched: false })
    const tags = await pushTagged(server, annotated({ text: 'x'.repeat(MIB) }), 400)
    const seen: string[] = []
    let largest = 0
    for await (const { entries, bytes } of readPages(server, LIST, OCI_INDEX)) {
      seen.push(...entries.map(({ annotations }) => annotations?.[REF_NAME] ?? assert.fail()))
      largest = Math.max(largest, bytes)
      if (seen.length >= 20) break
    }
    assert.deepEqual(seen, tags.slice(0, seen.length))
    // Once it took 420 MB to answer one of these.
    const [before, stop] = [await memoryOf(server.pid), watchMemory(server.pid)]
    await Promise.all(Array.from({ length: 6 }, () => readPage(server.url, LIST, OCI_INDEX)))
    const grown = (await stop()) - before
    t.diagnostic(`${largest} bytes in the largest page, ${grown.toFixed()} MiB more for six`)
    if (!NO_FIGURES) assert.ok(grown < 150, `${grown} MiB`)
    await server.close()
  },
)

test(
  'fault 54: all tags of a manifest are listed, however many they are, in either form',
  PATIENCE,
  async (t) => {
    const server = await startServer(t, { workers: 1, watched: false })
    const tags = await pushTagged(server, annotated({ text: 'x'.repeat(10_000) }), 2_500)
    const plain = annotated({})
    const plainTags = (await pushTagged(server, plain, 1)).map(() => 't00000')
    const told: Record<string, string[]> = { list: [], index: [], filtered: [] }
    for await (const { entries } of readPages(server, LIST, 'application/json')) {
      told.list?.push(...entries.flatMap((entry) => entry.tags ?? []))
    }
    for await (const { entries } of readPages(server, LIST, OCI_INDEX)) {
      told.index?.push(...entries.map(({ annotations }) => annotations?.[REF_NAME] ?? ''))
    }
    for await (const { entries } of readPages(server, `${LIST}?tag=*02499`, 'application/json')) {
      told.filtered?.push(...entries.flatMap((entry) => entry.tags ?? []))
    }
    // The last push took the first tag from the other manifest.
    const rest = tags.slice(1)
    assert.deepEqual(told, { list: [...rest, ...plainTags], index: [...rest, ...plainTags], filtered: rest })
    await server.close()
  },
)

test(
  'fault 54: entries that a filter leaves out count with the bytes that were read',
  PATIENCE,
  async (t) => {
    const server = await startServer(t, { workers: 1, watched: false })
    const subject = manifestDescriptor(annotated({ subject: 'yes' }))
    for (let index = 0; index < 20; index++) {
      const extra = { subject, artifactType: 'application/vnd.large' }
      const pushed = await pushManifest(
        server.url,
        'app',
        annotated({ text: `${index} `.repeat(MIB) }, extra),
      )
      assert.equal(pushed.status, 201, await pushed.text())
    }
    const referrers = `/v2/app/referrers/${subject.digest}?artifactType=application/vnd.none`
    for (const path of [referrers, `${LIST}?artifactType=application/vnd.none`]) {
      let pages = 0
      for await (const { entries } of readPages(server, path, '*/*')) {
        assert.deepEqual(entries, [])
        pages++
      }
      assert.ok(pages >= 3, `${pages} pages of ${path}`)
    }
    await server.close()
  },
)

test(
  'fault 54: too many or too long terms, types and annotations are refused, and the error has the limit',
  PATIENCE,
  async (t) => {
    const server = await startServer(t, { workers: 1 })
    const { url } = server
    await pushTagged(server, annotated({ ok: 'yes' }), 1)
    const subject = await digestIn('sha256', Buffer.from('x'))
    const many = (name: string) => Array.from({ length: 101 }, (_, index) => `${name}=a/b${index}`).join('&')
    for (const [path, message] of [
      [`${LIST}?labelSelector=${'a,'.repeat(10_000)}a`, /"labelSelector" has more than 100 requirements/],
      [`${LIST}?labelSelector=a in (${'b,'.repeat(2_000)}b)`, /"labelSelector" has more than 1000 values/],
      [`${LIST}?${many('annotation')}`, /"annotation" is given 101 times; the maximum is 100/],
      [`${LIST}?${many('artifactType')}`, /"artifactType" is given 101 times; the maximum is 100/],
      [`/v2/app/referrers/${subject}?${many('artifactType')}`, /"artifactType" is given 101 times/],
    ] as const) {
      const refused = await fetch(`${url}${path}`)
      assert.equal(refused.status, 400, path.slice(0, 100))
      assert.match(await refused.text(), new RegExp(message.source.replaceAll('"', '\\\\"')))
    }
    const annotations = Object.fromEntries(Array.from({ length: 10_001 }, (_, index) => [`k${index}`, '']))
    for (const manifest of [
      annotated(annotations),
      annotated({}, { artifactType: 'any text' }),
      annotated({}, { artifactType: `a/${'b'.repeat(1_000)}` }),
    ]) {
      const refused = await pushManifest(url, 'app', manifest)
      assert.equal(refused.status, 400)
      assert.deepEqual(await errorCodes(refused), ['MANIFEST_INVALID'])
    }
    await server.close()
  },
)
