import { uploadCases } from '../../src/conformance/cases/specification/uploads.ts'
import type { HttpRequest } from '../../src/http/message.ts'
import { type KnownBad, testKnownBad, testKnownGood } from './blob-faults.ts'
import {
  answering,
  asking,
  emptyAnswer,
  type Fault,
  leavingOut,
  on,
  PATHS,
  refusing,
  rewriting,
  turning,
} from './faulty-registry.ts'

const GET_BLOB = on('GET', PATHS.blob)
const START = on('POST', PATHS.uploads)
const POST_WHOLE = on('POST', PATHS.uploads, ({ query }) => query.has('digest'))
const CANCEL = on('DELETE', PATHS.upload)
const PUT_WHOLE = on('PUT', PATHS.upload, isWhole)
const NOWHERE = `sha256:${'0'.repeat(64)}`

function isWhole(request: HttpRequest): boolean {
  return request.header('content-range') === undefined && request.header('content-length') !== '0'
}

function putUnder(digest: RegExp) {
  return on(
    'PUT',
    PATHS.upload,
    (request) => isWhole(request) && digest.test(request.query.get('digest') ?? ''),
  )
}

/** Gives each repository one place for all its uploads. */
const sharingUploads: Fault = (app) => {
  const places = new Map<string, string>()
  return rewriting(START, 'Location', (location, { path }) => {
    const place = places.get(path) ?? location
    places.set(path, place)
    return place
  })(app)
}

/** Refuses blobs of another digest, and has them all the same. */
const keepingRefused: Fault = (app) => {
  const kept = new Set<string>()
  return async (request) => {
    const digest = request.path.slice(request.path.lastIndexOf('/') + 1)
    if (GET_BLOB(request) && kept.has(digest)) return emptyAnswer(200)
    const response = await app(request)
    if (PUT_WHOLE(request) && response.status === 400) kept.add(request.query.get('digest') ?? '')
    return response
  }
}

const KNOWN_BAD: readonly KnownBad[] = [
  { id: 'upload-start', does: 'begins uploads with 200', fault: turning(START, 202, 200) },
  { id: 'upload-start', does: 'begins uploads nowhere', fault: leavingOut(START, 'Location') },
  { id: 'upload-unique', does: 'has one place for all uploads of a repository', fault: sharingUploads },
  { id: 'blob-push-post-put', does: 'ends pushes with 204', fault: turning(PUT_WHOLE, 201, 204) },
  {
    id: 'blob-push-location',
    does: 'does not tell where a blob is',
    fault: leavingOut(PUT_WHOLE, 'Location'),
  },
  {
    id: 'blob-push-location',
    does: 'tells a wrong place of a blob',
    fault: rewriting(PUT_WHOLE, 'Location', (location) => location.replace(/[^/]+$/, NOWHERE)),
  },
  {
    id: 'blob-push-sha512',
    does: 'loses blobs by sha512',
    fault: refusing(
      on('GET', PATHS.blob, ({ path }) => path.includes('/sha512:')),
      404,
    ),
  },
  {
    id: 'blob-push-single-post',
    does: 'only says that it takes a blob by one POST',
    fault: answering(POST_WHOLE, ({ headers }) =>
      emptyAnswer(201, { ...headers, Location: `/v2/x/blobs/${NOWHERE}` }),
    ),
  },
  {
    id: 'blob-push-single-post',
    does: 'does not tell where a blob by one POST is',
    fault: leavingOut(POST_WHOLE, 'Location'),
  },
  {
    id: 'blob-push-single-post-or-upload',
    does: 'refuses a POST with a blob',
    fault: refusing(POST_WHOLE, 405),
  },
  {
    id: 'blob-push-single-post-or-upload',
    does: 'begins uploads that are nowhere for a POST with a blob',
    fault: answering(POST_WHOLE, () => emptyAnswer(202, { Location: '/v2/x/blobs/uploads/1' })),
  },
  {
    id: 'digest-mismatch-put',
    does: 'says 422 to a blob of another digest',
    fault: turning(putUnder(/^sha256:[0-9a-f]{64}$/), 400, 422),
  },
  {
    id: 'digest-mismatch-single-post',
    does: 'says 201 to a POST of a blob of another digest',
    fault: turning(POST_WHOLE, 400, 201),
  },
  { id: 'digest-mismatch-not-kept', does: 'keeps blobs that it refused', fault: keepingRefused },
  { id: 'digest-invalid', does: 'finds no digest that is none', fault: turning(putUnder(/:bad/), 400, 404) },
  {
    id: 'digest-unsupported',
    does: 'breaks on other algorithms',
    fault: turning(putUnder(/unknown/), 400, 500),
  },
  { id: 'upload-cancel', does: 'cancels uploads with 202', fault: turning(CANCEL, 204, 202) },
  { id: 'upload-cancel-ends', does: 'only says that it cancels uploads', fault: refusing(CANCEL, 204) },
]

testKnownBad(uploadCases, KNOWN_BAD)

testKnownGood([
  {
    does: 'begins an upload whatever a POST has with it',
    fault: asking(POST_WHOLE, () => ({ query: new URLSearchParams() })),
    lacks: ['single POST'],
  },
  {
    does: 'knows no sha512',
    fault: refusing(
      on('PUT', PATHS.upload, ({ query }) => /^sha512:/.test(query.get('digest') ?? '')),
      400,
    ),
    lacks: ['sha512'],
  },
  { does: 'takes no pushes', fault: refusing(START, 405), lacks: ['push'] },
  { does: 'cancels no uploads', fault: refusing(CANCEL, 405), lacks: ['cancel uploads'] },
  {
    does: 'gives absolute locations',
    fault: rewriting(
      () => true,
      'Location',
      (location, request) => `http://${request.header('host')}${location}`,
    ),
  },
  {
    does: 'gives locations relative to the one that was asked',
    fault: rewriting(
      on('POST', PATHS.uploads, ({ query }) => query.size === 0),
      'Location',
      (location) => location.slice(location.lastIndexOf('/') + 1),
    ),
  },
  {
    does: 'needs parameters of its own in the place of an upload',
    fault: (app) => async (request) => {
      if (PATHS.upload.test(request.path) && request.query.get('state') !== 'a b') return emptyAnswer(404)
      const response = await app(request)
      const { Location } = response.headers
      if (response.status === 201 || Location === undefined) return response
      return { ...response, headers: { ...response.headers, Location: `${Location}?state=a%20b` } }
    },
  },
])
