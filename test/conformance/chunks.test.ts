import { chunkCases } from '../../src/conformance/cases/specification/chunks.ts'
import type { HttpRequest } from '../../src/http/message.ts'
import { type KnownBad, testKnownBad, testKnownGood } from './blob-faults.ts'
import {
  answering,
  changed,
  emptyAnswer,
  type Fault,
  hiding,
  leavingOut,
  type Matches,
  on,
  PATHS,
  refusing,
  rewriting,
  turning,
} from './faulty-registry.ts'

const EMPTY = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
const POST = on('POST', PATHS.uploads)
const PATCH = on('PATCH', PATHS.upload)
const STATUS = on('GET', PATHS.upload)
const PUT_CHUNK = on('PUT', PATHS.upload, (request) => request.header('content-range') !== undefined)
const PUT_NOTHING = on(
  'PUT',
  PATHS.upload,
  (request) => request.header('content-length') === '0' && request.query.get('digest') !== EMPTY,
)
const PATCH_STREAM = on('PATCH', PATHS.upload, (request) => request.header('content-length') === undefined)

function rangeOf(request: HttpRequest): [number, number] | undefined {
  const [start, end] = request.header('content-range')?.split('-').map(Number) ?? []
  return start === undefined || end === undefined ? undefined : [start, end]
}

/** Chunks that begin at the beginning, or those that don't. */
function patchFrom(start: 'beginning' | 'later'): Matches {
  return on('PATCH', PATHS.upload, (request) => (rangeOf(request)?.[0] === 0) === (start === 'beginning'))
}

/** Says 400 to a chunk out of order, of uploads that have bytes or of those that have none. */
function misnamingGaps(fresh: boolean): Fault {
  return answering(patchFrom('later'), (response) =>
    response.status === 416 && (response.headers.Range === '0-0') === fresh ? emptyAnswer(400) : response,
  )
}

/** Says something else of an upload that has no bytes yet, or of one that has. */
function aboutStatus(fresh: boolean, fault: Fault): Fault {
  return (app) => async (request) => {
    const { headers } = STATUS(request) ? await app(request) : { headers: { Range: '' } }
    return await (headers.Range !== '' && (headers.Range === '0-0') === fresh ? fault(app) : app)(request)
  }
}

/** Forgets an upload of which it refused a chunk. */
function forgettingAfter(refused: Matches): Fault {
  return (app) => async (request) => {
    const response = await app(request)
    if (refused(request) && response.status === 416) await app(changed(request, { method: 'DELETE' }))
    return response
  }
}

/** Takes any digest after a PATCH that didn't say its length. */
const trustingStreams: Fault = (app) => {
  const streamed = new Set<string>()
  return async (request) => {
    if (PATCH_STREAM(request)) streamed.add(request.path)
    const response = await app(request)
    return response.status === 400 && streamed.has(request.path) ? emptyAnswer(201) : response
  }
}

const PUSHING: readonly KnownBad[] = [
  { id: 'chunk', does: 'takes chunks with 204', fault: turning(PATCH, 202, 204) },
  { id: 'chunk', does: 'does not tell where the next chunk goes', fault: leavingOut(PATCH, 'Location') },
  { id: 'chunk-range', does: 'does not tell how far an upload is', fault: leavingOut(PATCH, 'Range') },
  {
    id: 'chunk-range',
    does: 'tells the length of the last chunk',
    fault: rewriting(PATCH, 'Range', (range, request) => {
      const [start, end] = rangeOf(request) ?? [0, 0]
      return end === 0 ? range : `0-${end - start}`
    }),
  },
  { id: 'blob-push-chunks', does: 'closes uploads with 204', fault: turning(PUT_NOTHING, 201, 204) },
  {
    id: 'blob-push-chunks',
    does: 'does not tell where a blob of chunks is',
    fault: leavingOut(PUT_NOTHING, 'Location'),
  },
  {
    id: 'blob-push-chunks-last-in-put',
    does: 'takes no chunk with the PUT that closes',
    fault: answering(PUT_CHUNK, (response) => (response.status === 201 ? emptyAnswer(400) : response)),
  },
  {
    id: 'chunk-min-length',
    does: 'refuses short chunks without having said so',
    fault: refusing(
      on('PATCH', PATHS.upload, (request) => (rangeOf(request)?.[1] ?? 1000) < 1000),
      400,
    ),
  },
  {
    id: 'chunk-min-length',
    does: 'says in words how long chunks must be',
    fault: answering(POST, (response) => ({
      ...response,
      headers: { ...response.headers, 'OCI-Chunk-Min-Length': '1 KiB' },
    })),
  },
  {
    id: 'upload-digest-algorithm',
    does: 'refuses the parameter digest-algorithm',
    fault: refusing(
      on('POST', PATHS.uploads, ({ query }) => query.has('digest-algorithm')),
      400,
    ),
  },
  {
    id: 'blob-push-streamed',
    does: 'wants a length of everything',
    fault: refusing(PATCH_STREAM, 411),
  },
]

const ORDER: readonly KnownBad[] = [
  { id: 'chunk-gap', does: 'says 400 to a chunk after a gap', fault: misnamingGaps(false) },
  {
    id: 'chunk-gap',
    does: 'adds chunks as they come',
    fault: hiding(PATCH, 'content-range'),
    // All of them are about the order that it doesn't look at.
    alsoFails: ['chunk-first-late', 'chunk-repeated'],
  },
  {
    id: 'chunk-repeated',
    does: 'says 202 to a chunk that it has',
    fault: turning(patchFrom('beginning'), 416, 202),
  },
  { id: 'chunk-first-late', does: 'says 400 to a first chunk after a gap', fault: misnamingGaps(true) },
  { id: 'chunk-last-gap', does: 'says 400 to a last chunk after a gap', fault: turning(PUT_CHUNK, 416, 400) },
  { id: 'chunk-last-gap', does: 'does not look at ranges of PUT', fault: hiding(PUT_CHUNK, 'content-range') },
  {
    id: 'upload-status-fresh',
    does: 'knows no upload before its first byte',
    fault: aboutStatus(true, refusing(STATUS, 404)),
  },
  {
    id: 'upload-status-fresh',
    does: 'counts the bytes of a fresh upload to -1',
    fault: aboutStatus(
      true,
      rewriting(STATUS, 'Range', () => '0--1'),
    ),
  },
  {
    id: 'upload-status',
    does: 'tells the status of an upload with 200',
    fault: aboutStatus(false, turning(STATUS, 204, 200)),
  },
  {
    id: 'upload-status',
    does: 'does not tell how far an upload is',
    fault: aboutStatus(false, leavingOut(STATUS, 'Range')),
  },
  {
    id: 'upload-status',
    does: 'does not tell where an upload goes on',
    fault: aboutStatus(false, leavingOut(STATUS, 'Location')),
  },
  {
    id: 'upload-status',
    does: 'tells the length of an upload as its last byte',
    fault: aboutStatus(
      false,
      rewriting(STATUS, 'Range', (range) => `0-${Number(range.slice(2)) + 1}`),
    ),
  },
  {
    id: 'upload-after-refused-chunk',
    does: 'forgets an upload of which it refused a chunk',
    fault: forgettingAfter(PATCH),
  },
  {
    id: 'upload-after-refused-last-chunk',
    does: 'forgets an upload of which it refused the last chunk',
    fault: forgettingAfter(PUT_CHUNK),
  },
]

const DIGESTS: readonly KnownBad[] = [
  {
    id: 'digest-mismatch-chunks',
    does: 'takes chunks for what they are not',
    fault: turning(PUT_NOTHING, 400, 201),
  },
  {
    id: 'digest-mismatch-last-chunk',
    does: 'takes chunks for what they are not, with the last of them',
    fault: turning(PUT_CHUNK, 400, 201),
  },
  { id: 'digest-mismatch-streamed', does: 'takes a stream for what it is not', fault: trustingStreams },
]

testKnownBad(chunkCases, [...PUSHING, ...ORDER, ...DIGESTS])

testKnownGood([
  { does: 'takes no chunks', fault: refusing(PATCH, 405), lacks: ['chunked push'] },
  {
    does: 'says how long chunks must be',
    fault: (app) => async (request) => {
      if (PATCH(request) && (rangeOf(request)?.[1] ?? 4096) < 4095) return emptyAnswer(400)
      const response = await app(request)
      if (!POST(request) || response.status !== 202) return response
      return { ...response, headers: { ...response.headers, 'OCI-Chunk-Min-Length': '4096' } }
    },
  },
])
