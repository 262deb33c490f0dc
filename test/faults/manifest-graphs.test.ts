import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  digestOf,
  EMPTY_CONFIG,
  errorCodes,
  manifestDescriptor,
  manifestOf,
  OCI_INDEX,
  pushArtifact,
  pushBlob,
  pushManifest,
  type TestDescriptor,
  type TestManifest,
} from '../content.ts'
import { followLinks } from '../protocol/pages.ts'
import { storedFiles } from '../protocol/refusal.ts'
import { type FaultServer, startServer } from './start-server.ts'

const PATIENCE = { timeout: 300_000 }
const DEPTH = 100
const MAX_MANIFEST = 4 * 1024 * 1024
/** The shortest descriptors there are: as many as this do not fit. */
const TOO_MANY = 100_000
const AS_MANY_AS_FIT = 39_000

function indexOf(manifests: readonly object[], extra: object = {}): TestManifest {
  return manifestOf({ manifests, ...extra }, OCI_INDEX)
}

function shortDescriptor(number: number): Omit<TestDescriptor, 'mediaType'> {
  return { digest: `sha256:${number.toString(16).padStart(64, '0')}`, size: 1 }
}

async function push({ url }: FaultServer, manifest: TestManifest, reference?: string): Promise<void> {
  const pushed = await pushManifest(url, 'app', manifest, reference)
  assert.equal(pushed.status, 201, await pushed.text())
}

async function assertRefused(
  { url }: FaultServer,
  manifest: TestManifest,
  { status, code, reference }: { status: number; code: string; reference?: string },
): Promise<void> {
  const refused = await pushManifest(url, 'app', manifest, reference)
  assert.equal(refused.status, status)
  assert.deepEqual([...new Set(await errorCodes(refused))], [code])
  assert.equal((await fetch(`${url}/v2/app/manifests/${manifest.digest}`)).status, 404)
}

async function deletionOf({ url }: FaultServer, { digest }: TestManifest): Promise<number> {
  return (await fetch(`${url}/v2/app/manifests/${digest}`, { method: 'DELETE' })).status
}

/** Sweeps what there is to sweep, and starts again. */
async function sweptAndStarted(server: FaultServer): Promise<FaultServer> {
  await server.close()
  await server.sweep()
  return await server.restart()
}

test(
  'fault 24: an index whose children are missing is refused, whichever of them it is',
  PATIENCE,
  async (t) => {
    const server = await startServer(t)
    const child = manifestDescriptor(await pushArtifact(server.url, 'app', {}))
    const missing = shortDescriptor(1)
    for (const children of [[missing], [child, missing], [missing, child], [child, child, missing]]) {
      await assertRefused(server, indexOf(children), { status: 400, code: 'MANIFEST_BLOB_UNKNOWN' })
    }
    await push(server, indexOf([child, child]))
    await server.close()
  },
)

test(
  'fault 24: indexes nested 100 deep are stored, pulled, swept and deleted from the outside in',
  PATIENCE,
  async (t) => {
    const server = await startServer(t)
    const nested = [await pushArtifact(server.url, 'app', {})]
    for (let depth = 1; depth <= DEPTH; depth++) {
      const inner = nested.at(-1) ?? assert.fail()
      const outer = indexOf([manifestDescriptor(inner)])
      await push(server, outer, depth === DEPTH ? 'outermost' : undefined)
      nested.push(outer)
    }
    const again = await sweptAndStarted(server)
    for (const { digest, bytes } of nested) {
      const pulled = await fetch(`${again.url}/v2/app/manifests/${digest}`)
      assert.equal(await pulled.text(), bytes.toString())
    }
    for (const inner of nested.slice(0, -1)) assert.equal(await deletionOf(again, inner), 405)
    for (const outer of nested.reverse()) assert.equal(await deletionOf(again, outer), 202)
    const empty = await sweptAndStarted(again)
    assert.deepEqual(await (await fetch(`${empty.url}/v2/app/tags/list`)).json(), { name: 'app', tags: [] })
    await empty.close()
  },
)

test(
  'fault 24: a manifest cannot be pushed under a digest that it names itself, and chains of subjects are not followed',
  PATIENCE,
  async (t) => {
    const server = await startServer(t)
    await pushBlob(server.url, 'app', '{}')
    const own = digestOf('the digest that it would like to have')
    const self = indexOf([{ ...manifestDescriptor(indexOf([])), digest: own }])
    await assertRefused(server, self, { status: 400, code: 'DIGEST_INVALID', reference: own })
    await assertRefused(server, self, { status: 400, code: 'MANIFEST_BLOB_UNKNOWN' })
    const asSubject = indexOf([], { subject: { ...manifestDescriptor(self), digest: own } })
    await assertRefused(server, asSubject, { status: 400, code: 'DIGEST_INVALID', reference: own })

    let subject = { ...EMPTY_CONFIG, digest: own }
    for (let depth = 0; depth < DEPTH; depth++) {
      const referrer = manifestOf({ config: EMPTY_CONFIG, layers: [], subject })
      await push(server, referrer)
      const listed = await followLinks<{ manifests: TestDescriptor[] }>(
        `${server.url}/v2/app/referrers/${subject.digest}`,
      )
      assert.deepEqual(
        listed.flatMap(({ manifests }) => manifests.map(({ digest }) => digest)),
        [referrer.digest],
      )
      subject = manifestDescriptor(referrer)
    }
    const again = await sweptAndStarted(server)
    assert.equal((await fetch(`${again.url}/v2/app/manifests/${subject.digest}`)).status, 200)
    await again.close()
  },
)

test(
  'fault 24: an index of 100,000 entries is too large, and of the most that fit is refused, or stored and deleted, while others are answered',
  PATIENCE,
  async (t) => {
    const server = await startServer(t)
    await pushBlob(server.url, 'app', '{}')
    const tooMany = indexOf(Array.from({ length: TOO_MANY }, (_, index) => shortDescriptor(index)))
    await assertRefused(server, tooMany, { status: 413, code: 'SIZE_INVALID' })
    const absent = indexOf(Array.from({ length: AS_MANY_AS_FIT }, (_, index) => shortDescriptor(index)))
    assert.ok(absent.size <= MAX_MANIFEST)
    await assertRefused(server, absent, { status: 400, code: 'MANIFEST_BLOB_UNKNOWN' })

    const child = manifestDescriptor(await pushArtifact(server.url, 'app', {}, 'child'))
    const { digest, size } = child
    const repeated = indexOf(Array.from({ length: AS_MANY_AS_FIT }, () => ({ digest, size })))
    const elsewhere = Array.from({ length: 30_000 }, (_, index) => ({
      ...shortDescriptor(index),
      urls: ['https://a'],
    }))
    const foreign = manifestOf({ config: EMPTY_CONFIG, layers: elsewhere })
    for (const large of [repeated, foreign]) {
      assert.ok(large.size <= MAX_MANIFEST)
      t.diagnostic(
        `${large.size} bytes: ${await answeredMeanwhile(server, push(server, large))} others while it was pushed`,
      )
      const deletion = deletionOf(server, large).then((status) => assert.equal(status, 202))
      t.diagnostic(`${await answeredMeanwhile(server, deletion)} others while it was deleted`)
    }
    const again = await sweptAndStarted(server)
    assert.equal((await fetch(`${again.url}/v2/app/manifests/child`)).status, 200)
    assert.deepEqual(await storedFiles(again.data), [])
    await again.close()
  },
)

/** How many pulls were answered until something is done. */
async function answeredMeanwhile({ url }: FaultServer, work: Promise<void>): Promise<number> {
  let isOver = false
  const ending = work.finally(() => {
    isOver = true
  })
  let answered = 0
  for (; !isOver; answered++) assert.equal((await fetch(`${url}/v2/app/manifests/child`)).status, 200)
  await ending
  return answered
}
