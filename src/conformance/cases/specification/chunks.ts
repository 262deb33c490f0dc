import { digestOf } from '../../../client/hasher.ts'
import { cleanUpBlob, wantBlob, wantCreated, wantRefused } from '../../blob.ts'
import type { Case } from '../../case.ts'
import type { ProbeAnswer } from '../../exchange.ts'
import { Failure } from '../../outcome.ts'
import { type Probe, randomContent, requireHeader, wantHeader, wantStatus } from '../../probe.ts'
import {
  addChunk,
  closeUpload,
  closeWithChunk,
  isLength,
  leaveUpload,
  locationOf,
  needMethod,
  sendChunk,
  startChunks,
} from '../../upload.ts'

const IN_CHUNKS = {
  group: 'specification',
  section: 'Pushing a blob in chunks',
  feature: 'chunked push',
} as const
const STREAMED = {
  group: 'clients',
  section: 'docker, containerd and BuildKit push like this',
  feature: 'chunked push',
} as const
const REFUSED = { ...IN_CHUNKS, section: 'Pushing blobs', level: 'SHOULD', version: 'dev' } as const

const MUST_BE_CLOSED =
  'The response to a successful closing of the session MUST be `201 Created`, and MUST contain the following header: Location: <blob-location>'
const MUST_BE_IN_ORDER =
  'If a chunk is uploaded out of order, the registry MUST respond with a `416 Requested Range Not Satisfiable` code.'
const LAST_MUST_BE_IN_ORDER =
  'If the final chunk is uploaded out of order, the registry MUST respond with a `416 Requested Range Not Satisfiable` code.'
const MUST_HAVE_STATUS =
  'The response to an active upload `<blob-push-location>` MUST be a `204 No Content` response code, and MUST have the following headers: Location: <blob-push-location> Range: 0-<end-of-range>'
const SHOULD_BE_400 =
  'In each implementation, if the client provided digest is invalid or uses an unsupported algorithm, the registry SHOULD respond with a response code `400 Bad Request`.'

/** An upload of a blob of two chunks and a short last one. */
interface Halfway {
  /** Where the next chunk goes. */
  location: string
  bytes: Uint8Array
  digest: string
  /** How long each of the two is. */
  size: number
}

/** Begins an upload. */
async function begin(probe: Probe, query?: string): Promise<Halfway> {
  const { location, chunkSize: size } = await startChunks(probe, query === undefined ? {} : { query })
  const bytes = randomContent(2 * size + 100)
  const digest = await digestOf(bytes, query === undefined ? 'sha256' : 'sha512')
  cleanUpBlob(probe, digest)
  return { location, bytes, digest, size }
}

/** Begins an upload and adds its first chunks. */
async function beginWith(probe: Probe, chunks: number, query?: string): Promise<Halfway> {
  const upload = await begin(probe, query)
  for (let at = 0; at < chunks; at++) {
    const start = at * upload.size
    const bytes = upload.bytes.subarray(start, start + upload.size)
    upload.location = await addChunk(probe, upload.location, { bytes, start })
  }
  return upload
}

/** Begins an upload that is never closed, and adds its first chunks. */
async function leaveWith(probe: Probe, chunks: number): Promise<Halfway> {
  const upload = await beginWith(probe, chunks)
  leaveUpload(probe, upload.location)
  return upload
}

/** What is missing of a blob, as its last chunk. */
function rest({ bytes }: Halfway, start: number) {
  return { bytes: bytes.subarray(start), start }
}

/** Adds the last chunk, closes, and finds the blob whole. */
async function wantRest(probe: Probe, upload: Halfway, start: number): Promise<void> {
  const location = await addChunk(probe, upload.location, rest(upload, start))
  const closed = await closeUpload(probe, location, upload)
  await wantCreated(probe, closed, { target: location, bytes: upload.bytes })
  await wantBlob(probe, upload.digest, upload.bytes)
}

/** Asks an upload how far it is. */
async function askStatus(probe: Probe, location: string): Promise<ProbeAnswer> {
  const status = await probe.send({ method: 'GET', target: location })
  wantStatus(status, 204)
  return status
}

/** Goes on with an upload as its status says, after something was refused. */
async function wantAlive(probe: Probe, upload: Halfway): Promise<void> {
  const status = await askStatus(probe, upload.location)
  wantHeader(status, 'Range', `0-${upload.size - 1}`)
  const location = locationOf(probe, upload.location, status)
  await wantRest(probe, { ...upload, location }, upload.size)
}

const PUSH_CASES: readonly Case[] = [
  {
    ...IN_CHUNKS,
    id: 'chunk',
    title: 'a chunk is accepted, and the response has the location for the next one',
    level: 'MUST',
    version: '1.0',
    sentence:
      'The response for each successful chunk upload MUST be `202 Accepted`, and MUST have the following headers: Location: <blob-push-location>',
    needs: ['upload-start'],
    async run(probe) {
      const { location, bytes, size } = await leaveWith(probe, 0)
      const first = await sendChunk(probe, location, { bytes: bytes.subarray(0, size), start: 0 })
      needMethod(first, 'PATCH')
      wantStatus(first, 202)
      const next = locationOf(probe, location, first)
      await addChunk(probe, next, { bytes: bytes.subarray(size, 2 * size), start: size })
    },
  },
  {
    ...IN_CHUNKS,
    id: 'chunk-range',
    title: 'the response to each chunk has the range received so far',
    level: 'MUST',
    version: '1.1',
    sentence:
      'The `<end-of-range>` value is the position of the last uploaded byte of the blob, matching the end value of the `Content-Range` in the request.',
    needs: ['chunk'],
    async run(probe) {
      const { location, bytes, size } = await leaveWith(probe, 0)
      const first = await sendChunk(probe, location, { bytes: bytes.subarray(0, size), start: 0 })
      wantHeader(first, 'Range', `0-${size - 1}`)
      const next = locationOf(probe, location, first)
      const second = await sendChunk(probe, next, { bytes: bytes.subarray(size, 2 * size), start: size })
      wantHeader(second, 'Range', `0-${2 * size - 1}`)
    },
  },
  {
    ...IN_CHUNKS,
    id: 'blob-push-chunks',
    title: 'a blob can be pushed in chunks',
    level: 'MUST',
    version: '1.0',
    sentence: MUST_BE_CLOSED,
    needs: ['chunk', 'blob-pull'],
    async run(probe) {
      const upload = await beginWith(probe, 2)
      await wantRest(probe, upload, 2 * upload.size)
    },
  },
  {
    ...IN_CHUNKS,
    id: 'blob-push-chunks-last-in-put',
    title: 'a blob can be pushed in chunks, with the last one in the closing PUT',
    level: 'MUST',
    version: '1.0',
    sentence:
      'The final chunk MAY be uploaded using a `PATCH` request or it MAY be uploaded in the closing `PUT` request.',
    needs: ['chunk', 'blob-pull'],
    async run(probe) {
      const upload = await beginWith(probe, 2)
      const { location: target, bytes, digest } = upload
      const closed = await closeWithChunk(probe, target, { chunk: rest(upload, 2 * upload.size), digest })
      await wantCreated(probe, closed, { target, bytes })
      await wantBlob(probe, digest, bytes)
    },
  },
  {
    ...IN_CHUNKS,
    id: 'chunk-min-length',
    title: 'chunks of one byte are accepted, or the registry announces a minimum length',
    level: 'SHOULD',
    version: '1.1',
    sentence:
      'If the registry has a minimum chunk size, the `POST` response SHOULD include the following header, where `<size>` is the size in bytes',
    needs: ['chunk'],
    async run(probe) {
      const upload = await startChunks(probe, { chunkSize: 1 })
      const { chunkSize: size, minLength } = upload
      if (minLength !== undefined && !isLength(minLength))
        throw new Failure('a number of bytes as OCI-Chunk-Min-Length', minLength)
      let { location } = upload
      leaveUpload(probe, location)
      for (let start = 0; start < 3 * size; start += size)
        location = await addChunk(probe, location, { bytes: randomContent(size), start })
    },
  },
  {
    ...IN_CHUNKS,
    id: 'upload-digest-algorithm',
    title: 'a chunked upload can be started for a sha512 digest',
    level: 'SHOULD',
    version: 'dev',
    feature: 'sha512',
    sentence:
      'Here, `<digest-algorithm>` is the algorithm the registry should use for the blob, e.g. `digest-algorithm=sha512`.',
    needs: ['blob-push-sha512', 'blob-push-chunks'],
    async run(probe) {
      const upload = await beginWith(probe, 2, '?digest-algorithm=sha512')
      await wantRest(probe, upload, 2 * upload.size)
    },
  },
]

const ORDER_CASES: readonly Case[] = [
  {
    ...IN_CHUNKS,
    id: 'chunk-gap',
    title: 'a chunk that leaves a gap is rejected',
    level: 'MUST',
    version: '1.0',
    sentence: MUST_BE_IN_ORDER,
    needs: ['chunk'],
    async run(probe) {
      const upload = await leaveWith(probe, 1)
      wantStatus(await sendChunk(probe, upload.location, rest(upload, 2 * upload.size)), 416)
    },
  },
  {
    ...IN_CHUNKS,
    id: 'chunk-repeated',
    title: 'a chunk that was already accepted is rejected',
    level: 'MUST',
    version: '1.0',
    sentence: MUST_BE_IN_ORDER,
    needs: ['chunk'],
    async run(probe) {
      const { location, bytes, size } = await leaveWith(probe, 1)
      wantStatus(await sendChunk(probe, location, { bytes: bytes.subarray(0, size), start: 0 }), 416)
    },
  },
  {
    ...IN_CHUNKS,
    id: 'chunk-first-late',
    title: 'a first chunk that does not start at 0 is rejected',
    level: 'MUST',
    version: '1.0',
    sentence: MUST_BE_IN_ORDER,
    needs: ['chunk'],
    async run(probe) {
      const upload = await leaveWith(probe, 0)
      wantStatus(await sendChunk(probe, upload.location, rest(upload, upload.size)), 416)
    },
  },
  {
    ...IN_CHUNKS,
    id: 'chunk-last-gap',
    title: 'a closing PUT whose chunk leaves a gap is rejected',
    level: 'MUST',
    version: 'dev',
    sentence: LAST_MUST_BE_IN_ORDER,
    needs: ['blob-push-chunks-last-in-put'],
    async run(probe) {
      const upload = await leaveWith(probe, 1)
      const { location, digest, size } = upload
      wantStatus(await closeWithChunk(probe, location, { chunk: rest(upload, 2 * size), digest }), 416)
    },
  },
  {
    ...IN_CHUNKS,
    id: 'upload-status-fresh',
    title: 'a new upload reports where to continue',
    level: 'MUST',
    version: '1.1',
    sentence: MUST_HAVE_STATUS,
    needs: ['upload-start'],
    async run(probe) {
      const { location } = await leaveWith(probe, 0)
      const status = await askStatus(probe, location)
      locationOf(probe, location, status)
      const range = requireHeader(status, 'Range')
      if (!/^0-\d+$/.test(range)) throw new Failure('Range: 0-<end-of-range>', `Range: ${range}`)
    },
  },
  {
    ...IN_CHUNKS,
    id: 'upload-status',
    title: 'an upload reports its progress and where to continue',
    level: 'MUST',
    version: '1.1',
    sentence: MUST_HAVE_STATUS,
    needs: ['chunk', 'upload-status-fresh'],
    async run(probe) {
      const { location, size } = await leaveWith(probe, 1)
      const status = await askStatus(probe, location)
      locationOf(probe, location, status)
      wantHeader(status, 'Range', `0-${size - 1}`)
    },
  },
  {
    ...IN_CHUNKS,
    id: 'upload-after-refused-chunk',
    title: 'an upload can continue after an out-of-order chunk',
    level: 'MUST',
    version: '1.1',
    sentence: 'A GET request may be used to retrieve the current valid offset and upload location.',
    needs: ['chunk-gap', 'upload-status', 'blob-push-chunks'],
    async run(probe) {
      const upload = await beginWith(probe, 1)
      await sendChunk(probe, upload.location, rest(upload, 2 * upload.size))
      await wantAlive(probe, upload)
    },
  },
  {
    ...IN_CHUNKS,
    id: 'upload-after-refused-last-chunk',
    title: 'an upload can continue after an out-of-order last chunk',
    level: 'MUST',
    version: 'dev',
    sentence:
      'To get the current status after a 416 error, issue a `GET` request to a URL `<blob-push-location>`.',
    needs: ['chunk-last-gap', 'upload-status', 'blob-push-chunks'],
    async run(probe) {
      const upload = await beginWith(probe, 1)
      const { location, digest, size } = upload
      await closeWithChunk(probe, location, { chunk: rest(upload, 2 * size), digest })
      await wantAlive(probe, upload)
    },
  },
]

const DIGEST_CASES: readonly Case[] = [
  {
    ...REFUSED,
    id: 'digest-mismatch-chunks',
    title: 'a blob with a wrong digest is rejected after its chunks',
    sentence: SHOULD_BE_400,
    needs: ['blob-push-chunks'],
    async run(probe) {
      const upload = await leaveWith(probe, 2)
      const location = await addChunk(probe, upload.location, rest(upload, 2 * upload.size))
      const digest = await otherDigest()
      wantRefused(probe, await closeUpload(probe, location, { digest }), digest)
    },
  },
  {
    ...REFUSED,
    id: 'digest-mismatch-last-chunk',
    title: 'a blob with a wrong digest is rejected with its last chunk',
    sentence: SHOULD_BE_400,
    needs: ['blob-push-chunks-last-in-put'],
    async run(probe) {
      const upload = await leaveWith(probe, 2)
      const chunk = rest(upload, 2 * upload.size)
      const digest = await otherDigest()
      wantRefused(probe, await closeWithChunk(probe, upload.location, { chunk, digest }), digest)
    },
  },
]

const STREAM_CASES: readonly Case[] = [
  {
    ...STREAMED,
    id: 'blob-push-streamed',
    title: 'a blob can be pushed by a PATCH with neither a length nor a range',
    level: 'MUST',
    version: '1.0',
    sentence: 'Clients that do not know the length of a layer in advance cannot push it.',
    needs: ['blob-push-chunks'],
    async run(probe) {
      const { location, bytes, digest } = await begin(probe)
      const target = await addChunk(probe, location, { bytes, streamed: true })
      await wantCreated(probe, await closeUpload(probe, target, { digest }), { target, bytes })
    },
  },
  {
    ...STREAMED,
    id: 'digest-mismatch-streamed',
    title: 'a blob with a wrong digest is rejected after a PATCH without a length',
    level: 'SHOULD',
    version: 'dev',
    sentence: 'A layer that was damaged in transit would be accepted.',
    needs: ['blob-push-streamed', 'digest-mismatch-chunks'],
    async run(probe) {
      const { location, bytes } = await leaveWith(probe, 0)
      const target = await addChunk(probe, location, { bytes, streamed: true })
      const digest = await otherDigest()
      wantRefused(probe, await closeUpload(probe, target, { digest }), digest)
    },
  },
]

/** A digest that what is pushed has not. */
function otherDigest(): Promise<string> {
  return digestOf(randomContent(512))
}

/** Cases of pushing blobs in chunks. */
export const chunkCases: readonly Case[] = [...PUSH_CASES, ...ORDER_CASES, ...DIGEST_CASES, ...STREAM_CASES]
