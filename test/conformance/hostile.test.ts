import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { rawSender } from '../../src/cli/conformance-connection.ts'
import { hostileBoundCases } from '../../src/conformance/cases/hostile/bounds.ts'
import { hostileFramingCases } from '../../src/conformance/cases/hostile/framing.ts'
import { hostileManifestCases, hostileSizeCases } from '../../src/conformance/cases/hostile/manifests.ts'
import { hostileRequestCases } from '../../src/conformance/cases/hostile/requests.ts'
import { runCases } from '../../src/conformance/run.ts'
import { openSession } from '../../src/conformance/session.ts'
import { OCI_INDEX } from '../content.ts'
import { startFaulty } from './faulty-registry.ts'
import { answering, asking, at, type KnownBad, refusing, status, testCases } from './known-bad.ts'

const page = (response: { headers: Record<string, string> }) => {
  const { 'Content-Security-Policy': _, ...headers } = response.headers
  return { ...headers, 'Content-Type': 'text/html' }
}
const accepted = (right: number) => () => ({ status: right, headers: { 'Content-Length': '0' } })
/** Takes a manifest that is sent as a page for an index. */
const takingPages = asking(
  (request) => request.method === 'PUT' && request.header('content-type') === 'text/html',
  (request) => ({
    header: (name) => (name === 'content-type' ? OCI_INDEX : request.header(name)),
  }),
)
const taking = (pattern: RegExp) => status(at('PUT manifest', pattern), 201, 400)

const REQUESTS: readonly KnownBad[] = [
  {
    id: 'hostile-encoded-slash',
    does: 'decodes slashes before it looks for the endpoint',
    fault: asking(
      ({ path }) => path.includes('%2F'),
      ({ path }) => ({ path: path.replaceAll('%2F', '/') }),
    ),
  },
  {
    id: 'hostile-empty-part',
    does: 'drops empty parts',
    fault: refusing(({ path }) => path.includes('//') && path.endsWith('/uploads/'), accepted(202)),
  },
  {
    id: 'hostile-long-name',
    does: 'has no limit to names',
    fault: refusing(({ path }) => path.length > 255 && path.endsWith('/uploads/'), accepted(202)),
  },
  {
    id: 'hostile-huge-name',
    does: 'fails at long names',
    fault: status(({ path }) => path.length > 2000 && path.endsWith('/list'), 500),
  },
  {
    id: 'hostile-control-characters',
    does: 'fails at NUL',
    fault: status(({ path }) => path.includes('a%00b'), 500),
  },
  {
    id: 'hostile-line-break',
    does: 'fails at line breaks',
    fault: status(({ query }) => query.get('last')?.includes('\n') === true, 500),
  },
  { id: 'hostile-digest', does: 'fails at digests', fault: status(at('GET', /blobs\/:abc/), 500) },
  {
    id: 'hostile-digest-case',
    does: 'reads digests in lower case',
    fault: status(at('GET', /blobs\/sha256:[0-9A-F]{64}\?/), 200),
  },
  {
    id: 'hostile-digest-broken',
    does: 'takes sha1',
    fault: status(at('PUT upload', /digest=sha1/), 201, 400),
  },
  {
    id: 'hostile-range',
    does: 'fails at large numbers',
    fault: status((request) => /99{19}/.test(request.header('range') ?? ''), 500),
  },
  {
    id: 'hostile-many-ranges',
    does: 'sends a blob for each range',
    fault: answering(
      (request) => (request.header('range') ?? '').length > 1000,
      (response) => {
        const bytes = Buffer.alloc(5_000_000)
        return {
          ...response,
          headers: { ...response.headers, 'Content-Length': `${bytes.length}` },
          body: { type: 'bytes', bytes },
        }
      },
    ),
  },
  {
    id: 'hostile-content-range',
    does: 'takes a chunk for longer than it is',
    fault: refusing((request) => request.header('content-range') === '0-99', accepted(202)),
  },
  {
    id: 'hostile-blob-page',
    does: 'shows blobs as pages',
    fault: answering('GET blob', (response) => ({ ...response, headers: page(response) })),
  },
  {
    id: 'hostile-upload-elsewhere',
    does: 'goes on with uploads from anywhere',
    fault: status(at('PATCH upload', /elsewhere/), 202, 404),
  },
  {
    id: 'hostile-blob-elsewhere',
    does: 'reads blobs of all repositories',
    fault: status(at('GET blob', /blob-elsewhere/), 200, 404),
  },
]

const MANIFESTS: readonly KnownBad[] = [
  { id: 'hostile-json-none', does: 'takes what is no JSON', fault: taking(/json-none/) },
  { id: 'hostile-json-deep', does: 'fails at depth', fault: status(at('PUT manifest', /json-deep/), 500) },
  { id: 'hostile-json-twice', does: 'takes the last of two fields', fault: taking(/json-twice/) },
  { id: 'hostile-json-case', does: 'takes fields in any case', fault: taking(/json-case/) },
  { id: 'hostile-image-and-index', does: 'takes what is two things', fault: taking(/image-and-index/) },
  { id: 'hostile-other-media-type', does: 'believes any header', fault: taking(/other-media-type/) },
  { id: 'hostile-utf8', does: 'takes any bytes', fault: taking(/utf8/) },
  { id: 'hostile-descriptors', does: 'takes any descriptor', fault: taking(/descriptors/) },
  {
    id: 'hostile-manifest-page',
    does: 'shows manifests as pages',
    fault: (app) =>
      takingPages(answering('GET manifest', (response) => ({ ...response, headers: page(response) }))(app)),
  },
]

const hasLength = (wanted: boolean) => (request: { header(name: string): string | undefined }) =>
  (request.header('content-length') !== undefined) === wanted

const SIZES: readonly KnownBad[] = [
  {
    id: 'hostile-large-manifest',
    does: 'answers large manifests with 400',
    fault: status(hasLength(true), 400, 413),
  },
  {
    id: 'hostile-large-manifest-streamed',
    does: 'has a limit to lengths only',
    fault: status(hasLength(false), 201, 413),
  },
]

testCases('hostile requests', hostileRequestCases, REQUESTS)
testCases('hostile manifests', hostileManifestCases, MANIFESTS)
testCases('large manifests', hostileSizeCases, SIZES)

const BOUNDS: readonly KnownBad[] = [
  {
    id: 'hostile-media-type-changes',
    does: 'takes the same bytes under any type',
    fault: status(at('PUT manifest', /media-type-changes/), 201, 400),
  },
  {
    id: 'hostile-tiny-chunks',
    does: 'fails at many chunks',
    fault: status(
      (request) => request.method === 'PUT' && request.header('transfer-encoding') !== undefined,
      500,
    ),
  },
  {
    id: 'hostile-huge-page',
    does: 'fails at large numbers',
    fault: status(at('GET tags', /n=9/), 500),
  },
  { id: 'hostile-artifact-type', does: 'takes any artifact type', fault: taking(/artifact-type/) },
  {
    id: 'hostile-label-terms',
    does: 'takes any number of terms',
    fault: status(at('GET', /labelSelector/), 200, 400),
  },
]

testCases('bounds', hostileBoundCases, BOUNDS, { raw: true })

/** What each case of framing fails on: a server that answers every head it finds with this status, whatever else came. */
const CARELESS: Readonly<Record<string, number>> = {
  'hostile-both-lengths': 200,
  'hostile-two-lengths': 202,
  'hostile-length-malformed': 202,
  'hostile-chunk-malformed': 201,
  'hostile-transfer-coding': 201,
  'hostile-header-space': 202,
  'hostile-no-host': 200,
  'hostile-connect': 200,
  'hostile-many-headers': 500,
  'hostile-long-header': 200,
  'hostile-dots': 200,
}

const CUT = 'hostile-cut-upload'

async function failuresOf(origin: string): Promise<string[]> {
  const options = {
    origin,
    send: openSession(origin),
    sendRaw: rawSender(origin),
    repository: 'test',
    concurrency: 8,
  }
  const results = await runCases(hostileFramingCases, options)
  return results.filter(({ verdict }) => verdict !== 'passed').map((result) => result.case.id)
}

async function startCareless(t: TestContext, wrong: number): Promise<string> {
  const server = createServer((socket) => {
    let text = ''
    socket.setEncoding('latin1')
    socket.on('error', () => {})
    socket.on('data', (chunk: string) => {
      const heads = (text + chunk).split('\r\n\r\n')
      text = heads.pop() ?? ''
      const close = /Connection: close/i.test(heads.join())
      for (const _ of heads) socket.write(`HTTP/1.1 ${wrong} Whatever\r\nContent-Length: 0\r\n\r\n`)
      if (heads.length > 0 && close) socket.end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('a good registry passes every case of framing', async (t) => {
  assert.deepEqual(await failuresOf(await startFaulty(t)), [])
})

test('there is a known-bad server for every case of framing', () => {
  assert.deepEqual(hostileFramingCases.map(({ id }) => id).sort(), [...Object.keys(CARELESS), CUT].sort())
})

for (const wrong of new Set(Object.values(CARELESS))) {
  test(`a server that answers everything with ${wrong} fails the cases of framing that detect it`, async (t) => {
    const failed = await failuresOf(await startCareless(t, wrong))
    for (const [id, looked] of Object.entries(CARELESS))
      if (looked === wrong) assert.ok(failed.includes(id), `${id} is not among ${failed}`)
  })
}

test(`a registry that keeps what was cut off fails ${CUT}, and no other case of framing`, async (t) => {
  assert.deepEqual(await failuresOf(await startFaulty(t, status('HEAD blob', 200, 404))), [CUT])
})
