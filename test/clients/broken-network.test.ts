import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { wholeFile } from '../whole-file.ts'
import { type Fault, startBrokenProxy } from './broken-proxy.ts'
import { startContainerd } from './containerd.ts'
import { contentTree, layoutTree } from './content-tree.ts'
import type { Descriptor } from './descriptor.ts'
import { imageLayout, smallLayer } from './image.ts'
import { servedTree } from './served.ts'
import { openSession } from './session.ts'

const LAYER = 3_000_000
const CHUNK_SIZE = '2000000'
/** Under half a chunk: after a break, regctl sends the rest of that chunk, and no later chunk of its is larger than that rest. */
const AFTER = 600_000

const session = await openSession('network')
const proxy = await startBrokenProxy(wholeFile, session.host)
const containerd = await startContainerd(session)
wholeFile.after(() => containerd.stop().finally(() => session.close()))
const chunked = { env: { HOME: await session.folder() } }
const inChunks = ['--blob-chunk', CHUNK_SIZE, '--blob-max', CHUNK_SIZE]
await session.run('regctl', ['registry', 'set', '--tls', 'disabled', proxy.host])
await session.run('regctl', ['registry', 'set', '--tls', 'disabled', ...inChunks, proxy.host], chunked)

/** Pushes a layout and pulls it again, through the proxy. */
interface NetworkClient {
  /** Which troubles of a push it can meet: not all clients upload by PATCH. */
  meets: RegExp
  push(layout: string, image: string): Promise<unknown>
  /** Absent if another one pulls in the same way. @returns the digests of what was pulled */
  pull?(image: string, root: Descriptor): Promise<string[]>
}

/** What goes wrong: in words, and for the proxy. */
type Trouble = readonly [happens: string, fault: Fault]

/**
 * Where a client does not try again itself, whatever the registry does: crane takes a cut layer for the end of a pull and a 400 for
 * the end of a push (a registry cannot tell a chunk that was repeated from the next one), skopeo 1.9 does not go on with a layer,
 * nor always with a push, and containerd pushes once.
 */
const GIVES_UP: Record<string, RegExp> = {
  crane: /^(?:cuts|stalls) a layer|^repeats a chunk/,
  skopeo: /^(?:cuts|stalls) /,
  containerd: /^(?:cuts|stalls) the body|^loses /,
}

const CLIENTS: Record<string, NetworkClient> = {
  regctl: {
    meets: /^(?!.*chunk)/,
    push: (layout, image) => session.run('regctl', ['image', 'copy', `ocidir://${layout}:latest`, image]),
    async pull(image) {
      const out = join(await session.folder(), 'out')
      await session.run('regctl', ['image', 'copy', image, `ocidir://${out}:v1`])
      return await layoutTree(out)
    },
  },
  'regctl in chunks': {
    meets: /body|chunk/,
    push: (layout, image) =>
      session.run('regctl', ['image', 'copy', `ocidir://${layout}:latest`, image], chunked),
  },
  crane: {
    meets: /./,
    push: (layout, image) => session.run('crane', ['push', layout, image]),
    async pull(image) {
      const out = join(await session.folder(), 'out')
      await session.run('crane', ['pull', '--format', 'oci', image, out])
      return await layoutTree(out)
    },
  },
  skopeo: {
    meets: /./,
    push: (layout, image) =>
      session.run('skopeo', [
        ...['copy', '--quiet', '--retry-times', '3', '--preserve-digests', '--dest-tls-verify=false'],
        ...[`oci:${layout}:latest`, `docker://${image}`],
      ]),
    async pull(image) {
      const out = join(await session.folder(), 'out')
      await session.run('skopeo', [
        ...['copy', '--quiet', '--retry-times', '3', '--preserve-digests', '--src-tls-verify=false'],
        ...[`docker://${image}`, `oci:${out}:latest`],
      ])
      return await layoutTree(out)
    },
  },
  containerd: {
    meets: /^(?!.*chunk)/,
    async push(layout, image) {
      const archive = `${layout}.tar`
      await session.run('tar', ['--create', '--file', archive, '--directory', layout, '.'])
      const { ctr } = containerd.store()
      await ctr(['images', 'import', '--no-unpack', '--all-platforms', '--base-name', 'built', archive])
      await ctr(['images', 'tag', 'built:latest', image])
      await ctr(['images', 'push', '--plain-http', image])
    },
    async pull(image, root) {
      const { ctr } = containerd.store()
      await ctr(['content', 'fetch', '--all-platforms', '--plain-http', image])
      const source = {
        async *open({ digest }: Descriptor) {
          yield (await ctr(['content', 'get', digest])).bytes
        },
      }
      return await contentTree(source, root)
    },
  },
}

const UPLOAD = /^(?:PATCH|PUT|POST) .*\/blobs\/uploads\//
const START = /^POST .*\/blobs\/uploads\//
const CHUNK = /^PATCH /
const END = /^PUT .*\/blobs\/uploads\//
const PUT_MANIFEST = /^PUT .*\/manifests\//
const GET_MANIFEST = /^GET .*\/manifests\//
const BLOB = /^GET .*\/blobs\/sha256:/

const PUSHES: readonly Trouble[] = [
  ['cuts the body of an upload twice', { kind: 'cut-request', request: UPLOAD, times: 2, after: AFTER }],
  ['stalls the body of an upload twice', { kind: 'stall-request', request: UPLOAD, times: 2, after: AFTER }],
  ['loses the answer to the start of an upload', { kind: 'lose-answer', request: START, times: 1 }],
  ['loses the answer to a chunk', { kind: 'lose-answer', request: CHUNK, times: 1 }],
  ['loses the answer to the end of an upload', { kind: 'lose-answer', request: END, times: 1 }],
  ['loses the answer to a manifest', { kind: 'lose-answer', request: PUT_MANIFEST, times: 1 }],
  ['repeats the start of an upload', { kind: 'repeat', request: START, times: 1 }],
  ['repeats a chunk', { kind: 'repeat', request: CHUNK, times: 1 }],
  ['repeats the end of an upload', { kind: 'repeat', request: END, times: 1 }],
  ['repeats a manifest', { kind: 'repeat', request: PUT_MANIFEST, times: 1 }],
]

const PULLS: readonly Trouble[] = [
  ['cuts a layer', { kind: 'cut-answer', request: BLOB, times: 1, after: AFTER }],
  ['stalls a layer', { kind: 'stall-answer', request: BLOB, times: 1, after: AFTER }],
  ['loses the answer to a manifest', { kind: 'lose-answer', request: GET_MANIFEST, times: 1 }],
  ['repeats what is asked', { kind: 'repeat', request: /^(?:GET|HEAD) /, times: 3 }],
]

/** Does what a client is run for, and again, as often as the network breaks, if the client is known not to try again itself. */
async function persist(
  client: string,
  [happens, fault]: Trouble,
  run: () => Promise<unknown>,
): Promise<void> {
  proxy.breakBy(fault)
  let again = GIVES_UP[client]?.test(happens) ? fault.times : 0
  const tryOnce = (): Promise<unknown> =>
    run().catch((error: Error) => (again-- > 0 ? tryOnce() : Promise.reject(error)))
  await tryOnce().catch((error: Error) => assert.fail(`${proxy.story()}\n${error.message}`))
  assert.equal(proxy.broken().length, fault.times, `not all of it went wrong:\n${proxy.story()}`)
}

for (const [client, { push, pull, meets }] of Object.entries(CLIENTS)) {
  for (const trouble of PUSHES) {
    const [happens] = trouble
    if (!meets.test(happens)) continue
    test(`${client} pushes through a network that ${happens}`, async () => {
      const layout = join(await session.folder(), 'in')
      await imageLayout(layout, [LAYER, smallLayer])
      const name = session.repository('pushed')
      await persist(client, trouble, () => push(layout, `${proxy.host}/${name}:v1`))
      assert.deepEqual(await servedTree(session.host, name, 'v1'), await layoutTree(layout))
    })
  }
  for (const trouble of pull === undefined ? [] : PULLS) {
    const [happens] = trouble
    test(`${client} pulls through a network that ${happens}`, async () => {
      const layout = join(await session.folder(), 'in')
      const root = await imageLayout(layout, [LAYER, smallLayer])
      const name = session.repository('pulled')
      await session.run('crane', ['push', layout, `${session.host}/${name}:v1`])
      let pulled: string[] = []
      await persist(client, trouble, async () => {
        pulled = (await pull?.(`${proxy.host}/${name}:v1`, root)) ?? []
      })
      assert.deepEqual(pulled, await layoutTree(layout))
    })
  }
}
