import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blobCases } from '../../src/conformance/cases/specification/blobs.ts'
import {
  askAboutBlobs,
  askThrough,
  failuresOf,
  type KnownBad,
  testKnownBad,
  testKnownGood,
} from './blob-faults.ts'
import {
  answering,
  changed,
  emptyAnswer,
  type Fault,
  leavingOut,
  on,
  openFaulty,
  PATHS,
  refusing,
  rewriting,
  sendTo,
  turning,
} from './faulty-registry.ts'

const GET = on('GET', PATHS.blob)
const HEAD = on('HEAD', PATHS.blob)
const DELETE = on('DELETE', PATHS.blob)
const EMPTY = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

/** Finds blobs of the other repository as well. */
const findingElsewhere: Fault = (app) => async (request) => {
  const found = await app(request)
  if (!GET(request) || found.status !== 404) return found
  return await app(changed(request, { path: request.path.replace('/blobs/', '-other/blobs/') }))
}

/** Says that it deleted what it had, and didn't. */
const keepingDeleted: Fault = (app) => async (request) => {
  if (!DELETE(request)) return await app(request)
  const { status } = await app(changed(request, { method: 'HEAD' }))
  return emptyAnswer(status === 200 ? 202 : 404)
}

const KNOWN_BAD: readonly KnownBad[] = [
  {
    id: 'blob-pull',
    does: 'sends other bytes than were pushed',
    fault: answering(GET, (response) =>
      response.status === 200
        ? {
            ...response,
            body: { type: 'bytes', bytes: new Uint8Array(Number(response.headers['Content-Length'])) },
          }
        : response,
    ),
  },
  { id: 'blob-pull', does: 'answers pulls with 203', fault: turning(GET, 200, 203) },
  {
    id: 'blob-pull-empty',
    does: 'does not find the empty blob',
    fault: refusing(
      on('GET', PATHS.blob, ({ path }) => path.endsWith(EMPTY)),
      404,
    ),
  },
  {
    id: 'blob-pull-empty',
    does: 'refuses the empty blob',
    fault: refusing(
      on('PUT', PATHS.upload, ({ query }) => query.get('digest') === EMPTY),
      400,
    ),
  },
  {
    id: 'blob-pull-digest-header',
    does: 'sends blobs without their digest',
    fault: leavingOut(GET, 'Docker-Content-Digest'),
  },
  {
    id: 'blob-pull-digest-matches',
    does: 'sends blobs with the digest of nothing',
    fault: rewriting(GET, 'Docker-Content-Digest', () => EMPTY),
  },
  {
    id: 'blob-pull-digest-matches',
    does: 'sends blobs with a digest in upper case',
    fault: rewriting(GET, 'Docker-Content-Digest', (digest) => digest.toUpperCase()),
  },
  {
    id: 'blob-pull-missing',
    does: 'answers pulls of what it has not with 400',
    fault: turning(GET, 404, 400),
  },
  { id: 'blob-pull-missing', does: 'sends nothing for what it has not', fault: turning(GET, 404, 200) },
  {
    id: 'blob-pull-from-elsewhere',
    does: 'sends blobs of other repositories',
    fault: findingElsewhere,
  },
  { id: 'blob-head', does: 'knows no HEAD', fault: turning(HEAD, 200, 405) },
  {
    id: 'blob-head-digest-header',
    does: 'does not tell digests',
    fault: leavingOut(HEAD, 'Docker-Content-Digest'),
  },
  {
    id: 'blob-head-digest-header',
    does: 'tells the digest of nothing',
    fault: rewriting(HEAD, 'Docker-Content-Digest', () => EMPTY),
  },
  { id: 'blob-head-length', does: 'does not tell sizes', fault: leavingOut(HEAD, 'Content-Length') },
  {
    id: 'blob-head-length',
    does: 'tells the size of its answer to HEAD',
    fault: rewriting(HEAD, 'Content-Length', () => '0'),
  },
  { id: 'blob-head-missing', does: 'has everything', fault: turning(HEAD, 404, 200) },
  { id: 'blob-delete', does: 'answers deletions with 200', fault: turning(DELETE, 202, 200) },
  { id: 'blob-delete', does: 'refuses deletions with 403', fault: refusing(DELETE, 403) },
  { id: 'blob-delete-ends', does: 'only says that it deletes', fault: keepingDeleted },
  { id: 'blob-delete-missing', does: 'deletes what it has not', fault: turning(DELETE, 404, 202) },
]

test('a good registry passes every case of blobs', async (t) => {
  const results = await askAboutBlobs(t)
  const odd = results.filter(({ verdict }) => verdict !== 'passed')
  assert.deepEqual(
    odd.map((result) => [result.case.id, { ...result, case: result.case.id }]),
    [],
  )
})

test('a registry that redirects pulls passes every case of blobs', async (t) => {
  const results = await askAboutBlobs(t, (app) => async (request) => {
    if (!GET(request) || request.query.has('direct')) return await app(request)
    return emptyAnswer(307, { Location: `${request.path}?direct=1` })
  })
  assert.deepEqual(failuresOf(results), [])
})

test('the cases of blobs leave neither a blob nor an upload behind', async (t) => {
  const send = sendTo(await openFaulty(t))
  const places = new Set<string>()
  await askThrough(async (request) => {
    const answer = await send(request)
    const place = answer.headers.get('Location')
    if (place !== null) places.add(place)
    return answer
  })
  assert.ok(places.size > 100)
  const left = await Promise.all(
    [...places].map(async (target) => ((await send({ method: 'GET', target })).status === 404 ? [] : target)),
  )
  assert.deepEqual(left.flat(), [])
})

testKnownBad(blobCases, KNOWN_BAD)

testKnownGood([
  { does: 'deletes no blobs', fault: refusing(DELETE, 405), lacks: ['delete blobs'] },
  { does: 'calls deletion a bad request', fault: refusing(DELETE, 400), lacks: ['delete blobs'] },
  {
    does: 'tells the digests of blobs by another algorithm',
    fault: rewriting(GET, 'Docker-Content-Digest', () => `sha384:${'0'.repeat(96)}`),
  },
])
