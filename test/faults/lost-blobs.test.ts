import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { chmod, chown, mkdir, readdir, rename, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { memoryMetadata } from '../../src/metadata/sqlite/store.ts'
import { fileSystemBlobStore } from '../../src/storage/file-system.ts'
import { openSandbox, type ServingProgram } from '../cli/program.ts'
import {
  bytesOf,
  descriptorOf,
  digestOf,
  manifestOf,
  OCI_CONFIG,
  pushBlob,
  pushManifest,
} from '../content.ts'
import { storedFiles } from '../protocol/refusal.ts'
import { stoppedClock } from '../stopped-clock.ts'
import { startStowage, temporaryFolder } from '../stowage.ts'
import { blobRegistry, LARGE } from './blob-registry.ts'

const NOBODY = 65_534

interface Stored {
  bytes: Buffer
  digest: string
  path: string
}

/** Pushes random content that lies in a file of its own. */
async function storeBlob(url: string, data: string, repository = 'app'): Promise<Stored> {
  const bytes = randomBytes(LARGE)
  const before = new Set(await storedFiles(data))
  const digest = await pushBlob(url, repository, bytes)
  const [key = ''] = (await storedFiles(data)).filter((name) => !before.has(name))
  return { bytes, digest, path: join(data, 'blobs', key.slice(0, 2), key) }
}

async function statusOf(url: string, method: string, path: string): Promise<number> {
  const answer = await fetch(`${url}/v2/${path}`, { method })
  await answer.arrayBuffer()
  return answer.status
}

async function mount(url: string, digest: string, from?: string, to = 'mounted'): Promise<number> {
  const source = from === undefined ? '' : `&from=${from}`
  return await statusOf(url, 'POST', `${to}/blobs/uploads/?mount=${digest}${source}`)
}

/** A server that has nothing in memory, as after a restart. */
async function freshServer(t: TestContext, data: string): Promise<string> {
  return (await startStowage(t, { data })).url
}

/** Fails unless a blob is unknown in every answer, and known again in all repositories once one of them got it pushed. */
async function assertUnknownUntilPushed(url: string, { bytes, digest }: Stored): Promise<void> {
  for (const repository of ['app', 'other']) {
    assert.equal(await statusOf(url, 'HEAD', `${repository}/blobs/${digest}`), 404)
    assert.equal(await statusOf(url, 'GET', `${repository}/blobs/${digest}`), 404)
  }
  assert.equal(await mount(url, digest, 'app'), 202)
  assert.equal(await mount(url, digest), 202)
  assert.equal(await statusOf(url, 'GET', `_stowage/content/data?digest=${digest}`), 404)
  const config = '{"architecture":"amd64","os":"linux"}'
  await pushBlob(url, 'app', config)
  const manifest = manifestOf({ config: descriptorOf(config, OCI_CONFIG), layers: [descriptorOf(bytes)] })
  const refused = await pushManifest(url, 'app', manifest, 'latest')
  assert.equal(refused.status, 400)
  const { errors } = (await refused.json()) as { errors: { code: string; detail: { digest: string } }[] }
  assert.deepEqual(
    errors.map(({ code, detail }) => [code, detail.digest]),
    [['MANIFEST_BLOB_UNKNOWN', digest]],
  )

  await pushBlob(url, 'other', bytes)
  for (const repository of ['app', 'other']) {
    assert.equal(await statusOf(url, 'HEAD', `${repository}/blobs/${digest}`), 200)
    assert.ok((await bytesOf(await fetch(`${url}/v2/${repository}/blobs/${digest}`))).equals(bytes))
  }
  assert.equal(await mount(url, digest, 'app'), 201)
  assert.equal((await pushManifest(url, 'app', manifest, 'latest')).status, 201)
}

const LOSSES = {
  gone: (path: string) => rm(path),
  'shorter than it was': (path: string) => truncate(path, LARGE - 1),
} as const

for (const [how, lose] of Object.entries(LOSSES)) {
  test(`fault 46: a blob whose file is ${how} is unknown everywhere, until the next push heals it in all repositories`, async (t) => {
    const data = await temporaryFolder(t)
    const before = await startStowage(t, { data })
    const stored = await storeBlob(before.url, data)
    assert.equal(await mount(before.url, stored.digest, 'app', 'other'), 201)
    await before.close()
    await lose(stored.path)
    await assertUnknownUntilPushed(await freshServer(t, data), stored)
  })
}

/** Starts the program as a user who may not read everything, over a folder that is all theirs. */
async function serveAsNobody(t: TestContext): Promise<{ server: ServingProgram; data: string }> {
  const sandbox = await openSandbox(t)
  const data = join(sandbox.folder, 'data')
  await mkdir(data)
  await chown(data, NOBODY, NOBODY)
  await chmod(sandbox.folder, 0o755)
  const server = await sandbox.serve('data', ['--workers', '2'], {
    uid: NOBODY,
    gid: NOBODY,
    env: { NODE_COMPILE_CACHE: join(sandbox.folder, 'data') },
  })
  return { server, data }
}

test('fault 46: a blob whose file belongs to root is unknown after ten seconds at most, and that is logged', async (t) => {
  const { server, data } = await serveAsNobody(t)
  const { digest, path, bytes } = await storeBlob(server.url, data)
  await chown(path, 0, 0)
  await chmod(path, 0o600)
  assert.equal(await statusOf(server.url, 'GET', `app/blobs/${digest}`), 404)
  for (let turn = 0; turn < 8; turn++)
    assert.equal(await statusOf(server.url, 'HEAD', `app/blobs/${digest}`), 404, 'a worker remembers it')
  await server.wrote('stderr', /"count":\d+,"msg":"the bytes of a blob are missing or unreadable/)
  await pushBlob(server.url, 'app', bytes)
  assert.equal(await statusOf(server.url, 'GET', `app/blobs/${digest}`), 200)
})

test('fault 46: that bytes are there is remembered for ten seconds, unless they turn out to be gone before', async (t) => {
  const root = join(await temporaryFolder(t), 'blobs')
  const clock = stoppedClock()
  const metadata = memoryMetadata(clock)
  t.after(() => metadata.close())
  const registry = blobRegistry({ blobs: await fileSystemBlobStore({ root }), metadata, clock })
  const push = async () => {
    const bytes = randomBytes(LARGE)
    const path = `/v2/app/blobs/uploads/?digest=${digestOf(bytes)}`
    assert.equal((await registry.request('POST', path, { body: bytes })).status, 201)
    return `/v2/app/blobs/${digestOf(bytes)}`
  }
  const statusOf = async (method: string, path: string) => (await registry.request(method, path)).status
  const blobs = [await push(), await push()]
  const loseAll = async () => {
    for (const folder of await readdir(root)) await rm(join(root, folder), { recursive: true })
    await fileSystemBlobStore({ root })
  }
  registry.pass(60_000)
  for (const blob of blobs) assert.equal(await statusOf('HEAD', blob), 200)
  await loseAll()
  registry.pass(9_999)
  for (const blob of blobs) assert.equal(await statusOf('HEAD', blob), 200)
  assert.equal(await statusOf('GET', blobs[0] ?? ''), 404)
  assert.equal(await statusOf('HEAD', blobs[0] ?? ''), 404)
  registry.pass(1)
  assert.equal(await statusOf('HEAD', blobs[1] ?? ''), 404)
})

async function assertUnavailable(url: string, { bytes, digest }: Stored): Promise<void> {
  assert.equal(await statusOf(url, 'HEAD', `app/blobs/${digest}`), 503)
  const pulled = await fetch(`${url}/v2/app/blobs/${digest}`)
  assert.equal(pulled.status, 503)
  assert.match(await pulled.text(), /"code":"UNAVAILABLE"/)
  assert.equal(await mount(url, digest, 'app'), 503)
  const pushed = await fetch(`${url}/v2/app/blobs/uploads/?digest=${digest}`, {
    method: 'POST',
    body: new Uint8Array(bytes),
  })
  assert.equal(pushed.status, 503)
  await pushBlob(url, 'app', 'small content needs no file')
}

test('fault 46: while the folder of blobs is not mounted its blobs answer 503, and pushes leave nothing in its place', async (t) => {
  const data = await temporaryFolder(t)
  const first = await startStowage(t, { data })
  const stored = await storeBlob(first.url, data)
  await first.close()
  const [blobs, away] = [join(data, 'blobs'), join(data, 'away')]

  for (const when of ['while it serves', 'when it starts'] as const) {
    const serving = await startStowage(t, { data })
    if (when === 'when it starts') await serving.close()
    await rename(blobs, away)
    await mkdir(blobs)
    const server = when === 'when it starts' ? await startStowage(t, { data }) : serving
    await assertUnavailable(server.url, stored)
    assert.deepEqual(await readdir(blobs), [], when)
    await rm(blobs, { recursive: true })
    await rename(away, blobs)
    assert.equal(await statusOf(server.url, 'HEAD', `app/blobs/${stored.digest}`), 200, when)
    assert.equal(await mount(server.url, stored.digest), 201)
    await server.close()
  }
})

test('fault 46: a folder of an older version is marked when it is opened, if one of its blobs is there', async (t) => {
  const data = await temporaryFolder(t)
  const first = await startStowage(t, { data })
  const kept = await storeBlob(first.url, data)
  const lost = await storeBlob(first.url, data)
  await first.close()
  const marks = async () =>
    (await readdir(join(data, 'blobs'))).filter((name) => /^identity-[0-9a-f]{32}$/.test(name))
  const [mark = ''] = await marks()
  await rm(join(data, 'blobs', mark), { recursive: true })
  await rm(lost.path)
  const url = await freshServer(t, data)
  assert.deepEqual(await marks(), [mark])
  assert.equal(await statusOf(url, 'HEAD', `app/blobs/${kept.digest}`), 200)
  assert.equal(await statusOf(url, 'HEAD', `app/blobs/${lost.digest}`), 404)
})

test('fault 46: a blob whose whole folder is lost can be pushed again', async (t) => {
  const data = await temporaryFolder(t)
  const first = await startStowage(t, { data })
  const stored = await storeBlob(first.url, data)
  await first.close()
  const { url } = await startStowage(t, { data })
  for (const name of await readdir(join(data, 'blobs')))
    if (name.length === 2) await rm(join(data, 'blobs', name), { recursive: true })
  assert.equal(await statusOf(url, 'HEAD', `app/blobs/${stored.digest}`), 404)
  await pushBlob(url, 'app', stored.bytes)
  assert.ok((await bytesOf(await fetch(`${url}/v2/app/blobs/${stored.digest}`))).equals(stored.bytes))
})

test('fault 46: a start on a folder that has lost files warns how many, and serves', async (t) => {
  const sandbox = await openSandbox(t)
  const data = join(sandbox.folder, 'data')
  const first = await sandbox.serve('data')
  const [lost, cut, kept] = [
    await storeBlob(first.url, data),
    await storeBlob(first.url, data),
    await storeBlob(first.url, data),
  ]
  first.signal('SIGTERM')
  await first.ended
  await rm(lost.path)
  await truncate(cut.path, 10)
  const second = await sandbox.serve('data')
  await second.wrote('stderr', /"level":40,.*"lost":2,"msg":"the files of some blobs are missing/)
  assert.equal(await statusOf(second.url, 'GET', `app/blobs/${kept.digest}`), 200)
})
