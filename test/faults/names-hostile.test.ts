import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { bytesOf, digestOf, pushArtifact, pushBlob, pushImage } from '../content.ts'
import { sendRequest } from '../protocol/refusal.ts'
import { type FaultServer, startServer } from './start-server.ts'

const PATIENCE = { timeout: 300_000 }
const BAIT = 'bytes that lie beside the data folder'
const HEX = 'a'.repeat(64)

/** As they stand in a request line: not encoded further. */
const BAD_NAMES = [
  '..',
  '../..',
  'app/..',
  'app/../app',
  'app/../../bait',
  '.',
  './app',
  '.app',
  'app.',
  '%2e%2e',
  '%2e%2e/%2e%2e/bait',
  '%2E%2E%2Fbait',
  '..%2fbait',
  '..%5cbait',
  '..\\bait',
  '%252e%252e',
  '%2Fetc%2Fpasswd',
  'app%2f',
  'app%2F%2E%2E%2Fbait',
  'app%2F..%2Fbait',
  'app%252Fother',
  'app%2F%2Fother',
  'app%00',
  'app%00.txt',
  '%00',
  'app%0a',
  'app%0d%0aX-Injected:%20yes',
  'app%20',
  '%c3%a9',
  '%ef%bc%8e%ef%bc%8e',
  '%f0%9f%92%a9',
  'app%cc%81',
  '%c0%ae%c0%ae',
  '%ff',
  '%',
  '%zz',
  'a\u00e9',
  'App',
  'aPP',
  '-app',
  'app-',
  '_app',
  'app_',
  'a___b',
  'a..b',
  'a._b',
  'app//other',
  '//app',
  'a_%25',
  '%25',
  '*',
  '%3f',
  "'%20OR%201=1--",
  'app;x',
  'app:tag',
  'app@sha256',
  'a'.repeat(256),
  `${'a/'.repeat(127)}aa`,
  'a/'.repeat(3_000),
]

const BAD_DIGESTS = [
  'sha256:..',
  'sha256:../../bait',
  'sha256:..%2f..%2fbait',
  'sha256:%2e%2e',
  `sha256:${'../'.repeat(21)}a`,
  `sha256:${HEX}%00`,
  `sha256:${HEX}/..`,
  `sha256:${HEX.toUpperCase()}`,
  `sha256:${HEX.slice(1)}`,
  `sha256:${HEX}a`,
  `sha256:${HEX.slice(1)}%25`,
  `sha256:${'_'.repeat(64)}`,
  `sha256:${'%25'.repeat(64)}`,
  `sha256%3A%2F%2F${HEX}`,
  `SHA256:${HEX}`,
  `:${HEX}`,
  'sha256:',
  `sha256+b64:${HEX}`.repeat(50),
  `${'a'.repeat(256)}:${HEX}`,
]

const BAD_TAGS = [
  '..',
  '.',
  '%2e%2e',
  '..%2fbait',
  '-v1',
  '.v1',
  'v1%00',
  'v1%0a',
  'v%25',
  'v1%20',
  '%c3%a9',
  'v1/..',
  'a'.repeat(129),
  '%',
]

const MANIFEST = '{"layers":[]}'
const TYPE = 'Content-Type: application/vnd.oci.image.manifest.v1+json'

function requestsOf(name: string): string[] {
  return [
    `GET /v2/${name}/tags/list`,
    `GET /v2/${name}/manifests/latest`,
    `PUT /v2/${name}/manifests/latest`,
    `DELETE /v2/${name}/manifests/latest`,
    `GET /v2/${name}/blobs/sha256:${HEX}`,
    `DELETE /v2/${name}/blobs/sha256:${HEX}`,
    `POST /v2/${name}/blobs/uploads/`,
    `POST /v2/${name}/blobs/uploads/?digest=${digestOf(MANIFEST)}`,
    `GET /v2/${name}/referrers/sha256:${HEX}`,
  ]
}

/** The names of all that lies in the folder around the data folder, and of its folders. */
async function layoutOf({ folder }: FaultServer): Promise<string[]> {
  const around = await readdir(folder)
  const inside = await readdir(join(folder, 'data'), { recursive: true })
  return [...around, ...inside.filter((name) => !name.startsWith('metadata.sqlite'))].sort()
}

interface Setting {
  server: FaultServer
  /** Fails unless a request gets 400 or 404, and nothing of the bait. */
  assertHarmless(line: string): Promise<void>
}

/** A server with one repository, and a file beside its data folder that no answer may show. */
async function setUp(t: { after(work: () => void): void }): Promise<Setting> {
  const server = await startServer(t)
  await writeFile(join(server.folder, 'bait'), BAIT)
  await pushImage(server.url, 'app', 'v1')
  return {
    server,
    async assertHarmless(line) {
      const body = line.startsWith('PUT') || line.includes('?digest=') ? MANIFEST : ''
      const answer = await sendRequest(t, server.url, line, { body, headers: [TYPE] })
      assert.ok([400, 404].includes(answer.status), `${line.slice(0, 200)}: ${answer.status} ${answer.body}`)
      assert.equal(answer.headers['content-type'], 'application/json')
      assert.equal(answer.headers['x-injected'], undefined)
      assert.ok(!answer.body.includes(BAIT))
    },
  }
}

async function assertUntouched(server: FaultServer, layout: readonly string[]): Promise<void> {
  assert.deepEqual(await layoutOf(server), layout)
  assert.equal(await readFile(join(server.folder, 'bait'), 'utf8'), BAIT)
  assert.deepEqual(await (await fetch(`${server.url}/v2/_catalog`)).json(), { repositories: ['app'] })
  assert.deepEqual(await (await fetch(`${server.url}/v2/app/tags/list`)).json(), {
    name: 'app',
    tags: ['v1'],
  })
  await server.close()
}

test(
  'fault 36: an invalid name gets 400 or 404 in every place, and leaves no file and no row',
  PATIENCE,
  async (t) => {
    const { server, assertHarmless } = await setUp(t)
    const layout = await layoutOf(server)
    for (const name of BAD_NAMES) {
      for (const line of requestsOf(name)) await assertHarmless(line)
    }
    await assertUntouched(server, layout)
  },
)

test(
  'fault 36: an invalid digest, tag or upload gets 400 or 404, and leaves no file and no row',
  PATIENCE,
  async (t) => {
    const { server, assertHarmless } = await setUp(t)
    const layout = await layoutOf(server)
    for (const digest of BAD_DIGESTS) {
      for (const place of ['blobs', 'manifests', 'referrers'])
        await assertHarmless(`GET /v2/app/${place}/${digest}`)
      for (const place of ['blobs', 'manifests']) await assertHarmless(`DELETE /v2/app/${place}/${digest}`)
      await assertHarmless(`PUT /v2/app/manifests/${digest}`)
      await assertHarmless(`POST /v2/app/blobs/uploads/?digest=${digest}`)
    }
    for (const tag of BAD_TAGS) {
      for (const method of ['GET', 'PUT', 'DELETE'])
        await assertHarmless(`${method} /v2/app/manifests/${tag}`)
      await assertHarmless(`PUT /v2/app/manifests/${digestOf(MANIFEST)}?tag=${tag}`)
    }
    for (const upload of [
      '..',
      '../../bait',
      '%2e%2e',
      '..%2f..%2fbait',
      '%00',
      '_',
      '%25',
      HEX,
      'a'.repeat(5_000),
    ]) {
      for (const method of ['GET', 'PATCH', 'DELETE'])
        await assertHarmless(`${method} /v2/app/blobs/uploads/${upload}`)
    }
    await assertUntouched(server, layout)
  },
)

/** Names that are in order, though parts of them are words of the paths themselves. */
const RESERVED = [
  'blobs',
  'manifests',
  'uploads',
  'tags',
  'tags/list',
  'v2',
  'referrers',
  'blobs/uploads',
  'manifests/latest',
  'a/blobs/b',
  'a/manifests/b',
  'v2/app/blobs',
  'list',
  'a'.repeat(255),
]

test(
  'fault 36: repositories that are called like parts of paths are pushed, pulled and listed like any other',
  PATIENCE,
  async (t) => {
    const server = await startServer(t)
    for (const name of RESERVED) {
      const bytes = Buffer.from(`a blob of ${name}`)
      const digest = await pushBlob(server.url, name, bytes)
      const image = await pushArtifact(server.url, name, { annotations: { name } }, 'latest')
      assert.deepEqual(await bytesOf(await fetch(`${server.url}/v2/${name}/blobs/${digest}`)), bytes)
      const pulled = await fetch(`${server.url}/v2/${name}/manifests/latest`)
      assert.deepEqual(await bytesOf(pulled), image.bytes)
      const list = await fetch(`${server.url}/v2/${name}/tags/list`)
      assert.deepEqual(await list.json(), { name, tags: ['latest'] })
    }
    const { repositories } = (await (await fetch(`${server.url}/v2/_catalog`)).json()) as {
      repositories: string[]
    }
    assert.deepEqual(repositories, [...RESERVED].sort())
    await server.close()
  },
)

test(
  'fault 36: a wildcard of SQL stands for itself, so that no repository shows the rows of another',
  PATIENCE,
  async (t) => {
    const server = await startServer(t)
    const names = ['a_b', 'a-b', 'a.b', 'acb', 'a__b', 'acdb']
    for (const name of names)
      await pushArtifact(server.url, name, { annotations: { name } }, `tag_of_${names.indexOf(name)}`)
    for (const [index, name] of names.entries()) {
      const list = await fetch(`${server.url}/v2/${name}/tags/list`)
      assert.deepEqual(await list.json(), { name, tags: [`tag_of_${index}`] })
      for (const tag of ['tag_of__', 'tagxof_0', '_______0'].filter((text) => text !== `tag_of_${index}`)) {
        assert.equal((await fetch(`${server.url}/v2/${name}/manifests/${tag}`)).status, 404)
      }
    }
    for (const unknown of ['a0b', 'abb', 'a_c']) {
      assert.equal((await fetch(`${server.url}/v2/${unknown}/tags/list`)).status, 404)
    }
    const behind = await fetch(`${server.url}/v2/_catalog?last=${encodeURIComponent('a%')}`)
    assert.deepEqual(await behind.json(), { repositories: [...names].sort() })
    await server.close()
  },
)
