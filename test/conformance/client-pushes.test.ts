import { clientManifestCases } from '../../src/conformance/cases/clients/manifests.ts'
import { clientUploadCases } from '../../src/conformance/cases/clients/uploads.ts'
import type { HttpRequest } from '../../src/http/message.ts'
import type { Fault } from './faulty-registry.ts'
import {
  answering,
  asking,
  at,
  header,
  json,
  type KnownBad,
  refusing,
  refusingContent,
  status,
  testCases,
} from './known-bad.ts'

const LIST = 'GET referrers'
const answer = (wrong: number) => () => ({ status: wrong, headers: { 'Content-Length': '0' } })

function hasNoLength(method: string, path: RegExp) {
  return (request: HttpRequest) =>
    request.method === method && path.test(request.path) && request.header('content-length') === undefined
}

/** Answers the first of several alike, and refuses the others. */
function onlyOnce(which: (request: HttpRequest) => boolean, wrong: number): Fault {
  return (app) => {
    const seen = new Set<string>()
    const isAgain = (request: HttpRequest) => {
      if (!which(request)) return false
      const known = seen.has(request.path)
      seen.add(request.path)
      return known
    }
    return refusing(isAgain, answer(wrong))(app)
  }
}

const UPLOADS: readonly KnownBad[] = [
  {
    id: 'client-upload-location',
    does: 'begins locations with two slashes',
    fault: answering('POST|PATCH', (response, request) => {
      const { Location, ...headers } = response.headers
      return Location === undefined
        ? response
        : { ...response, headers: { ...headers, Location: `//${request.header('host')}${Location}` } }
    }),
  },
  {
    id: 'client-upload-location-short',
    does: 'keeps its state in the location',
    fault: header('POST|PATCH', 'Location', (location) => `${location}?state=${'x'.repeat(2000)}`),
  },
  {
    id: 'client-upload-range-empty',
    does: 'has a range of nothing',
    fault: header('POST uploads', 'Range', '0--1'),
  },
  {
    id: 'client-upload-unknown',
    does: 'fails at an upload that is over',
    fault: status('PATCH upload', 500, 404),
  },
  {
    id: 'client-upload-many-chunks',
    does: 'takes one chunk without Content-Range',
    fault: onlyOnce(
      (request) => request.method === 'PATCH' && request.header('content-range') === undefined,
      400,
    ),
  },
  {
    id: 'client-upload-chunk-streamed',
    does: 'wants the length of a chunk',
    fault: refusing(hasNoLength('PATCH', /uploads/), answer(411)),
  },
  {
    id: 'client-upload-put-streamed',
    does: 'wants the length of a blob',
    fault: refusing(hasNoLength('PUT', /uploads/), answer(411)),
  },
  {
    id: 'client-upload-chunk-location',
    does: 'does not say where the next chunk goes',
    fault: header(at('PATCH upload', /chunk-location/), 'Location'),
  },
  {
    id: 'client-upload-range-total',
    does: 'answers with the range of the last chunk',
    fault: answering('PATCH upload', (response, request) => {
      const range = request.header('content-range')
      return range === undefined ? response : { ...response, headers: { ...response.headers, Range: range } }
    }),
  },
  {
    id: 'client-upload-close-empty',
    does: 'takes closing an upload for a chunk',
    fault: status(at('PUT upload', /close-empty/), 416),
  },
  {
    id: 'client-upload-survives',
    does: 'ends an upload with the first chunk it refuses',
    fault: status(at('GET upload', /survives/), 404),
  },
  {
    id: 'client-upload-verified',
    does: 'keeps content of another digest',
    fault: status(at('HEAD blob', /verified/), 200),
  },
  {
    id: 'client-upload-single-post',
    does: 'only says that a POST made a blob',
    fault: refusing(at('POST uploads', /single-post.*digest=/), answer(201)),
  },
  {
    id: 'client-digest-malformed',
    does: 'fails at malformed digests',
    fault: status(at('PUT upload', /digest=(?:nonsense|sha256%3A(?:short|Z))/), 500),
  },
  {
    id: 'client-push-again',
    does: 'takes a blob once',
    fault: onlyOnce(at('POST uploads', /push-again/), 409),
  },
  {
    id: 'client-query-unknown',
    does: 'refuses parameters that it does not know',
    fault: status(at('POST uploads', /[?&]ns=/), 400),
  },
  {
    id: 'client-mount-unknown-repository',
    does: 'refuses to mount from nowhere',
    fault: status(at('POST uploads', /from=.*absent/), 404),
  },
  {
    id: 'client-mount-unknown-blob',
    does: 'refuses to mount nothing',
    fault: status(at('POST uploads', /unknown-blob\/.*mount=/), 403),
  },
  {
    id: 'client-mount-malformed',
    does: 'refuses to mount from malformed names',
    fault: status(at('POST uploads', /from=Not/), 400),
  },
]

const MANIFESTS: readonly KnownBad[] = [
  { id: 'client-subject-missing', does: 'wants the subject first', fault: refusingContent(/"subject"/) },
  { id: 'client-any-type', does: 'has a list of types', fault: refusingContent(/weights/) },
  { id: 'client-docker-manifest', does: 'takes nothing of docker', fault: refusingContent(/docker/) },
  {
    id: 'client-index-of-blobs',
    does: 'wants manifests in an index',
    fault: refusingContent(/"manifests":\[\{"mediaType":"[^"]*layer/),
  },
  {
    id: 'client-without-media-type',
    does: 'wants a media type in the manifest',
    fault: refusingContent(/^\{"schemaVersion":2,"config"/),
  },
  {
    id: 'client-children',
    does: 'keeps what has a tag',
    fault: status(at('GET manifest', /client-children/), 404),
  },
  {
    id: 'client-manifest-streamed',
    does: 'wants the length of a manifest',
    fault: refusing(hasNoLength('PUT', /manifests/), answer(411)),
  },
  {
    id: 'client-manifest-again',
    does: 'takes a manifest once',
    fault: onlyOnce(at('PUT manifest', /sha256/), 409),
  },
  {
    id: 'client-referrers-unknown-repository',
    does: 'has no referrers in an unknown repository',
    fault: status(at(LIST, /0{64}/), 404),
  },
  {
    id: 'client-subject-of-index',
    does: 'does not say that it saw the subject of an index',
    fault: header('PUT manifest', 'OCI-Subject'),
  },
  {
    id: 'client-subject-listed',
    does: 'sees subjects and lists none',
    fault: status(at(LIST, /subject-listed/), 404),
  },
  {
    id: 'client-referrers-once',
    does: 'lists a referrer for each of its tags',
    fault: json(at(LIST, /referrers-once/), (body) => ({
      ...body,
      manifests: [...body.manifests, ...body.manifests],
    })),
  },
  {
    id: 'client-referrers-type',
    does: 'adds a charset to the type of the list',
    fault: header(LIST, 'Content-Type', (type) => `${type}; charset=utf-8`),
  },
  {
    id: 'client-referrers-deleted',
    does: 'lists what was deleted',
    fault: refusing('DELETE manifest', answer(202)),
  },
  {
    id: 'client-filter-plus',
    does: 'reads a plus as a space',
    fault: asking(at(LIST, /artifactType=/), () => ({
      query: new URLSearchParams({ artifactType: 'application/vnd.example.plus-json' }),
    })),
  },
]

testCases('what clients need of uploads', clientUploadCases, UPLOADS)
testCases('what clients need of manifests', clientManifestCases, MANIFESTS)
