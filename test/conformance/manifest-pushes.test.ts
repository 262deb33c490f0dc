import { manifestContentCases } from '../../src/conformance/cases/specification/manifest-contents.ts'
import {
  manifestPushCases,
  manifestSizeCases,
} from '../../src/conformance/cases/specification/manifest-pushes.ts'
import type { HttpRequest, HttpResponse } from '../../src/http/message.ts'
import type { Fault } from './faulty-registry.ts'
import {
  answering,
  asking,
  at,
  header,
  type KnownBad,
  refusing,
  refusingContent,
  status,
  testCases,
} from './known-bad.ts'

const BY_DIGEST = at('PUT manifest', /\/sha256:[^?]*\?$/)
const BY_TAG = at('PUT manifest', /manifests\/[^:]*$/)
const WITH_TAGS = at('PUT manifest', /tag=/)
const SET = at('PUT manifest', /parameter-set.*tag=/)
const OTHER = `sha256:${'0'.repeat(64)}`

const CREATED = () => ({ status: 201, headers: { Location: '/v2/', 'Content-Length': '0' } })

/** Takes whatever is refused. */
function taking(which: string | ((request: HttpRequest) => boolean)): Fault {
  return answering(which, (response) => (response.status < 400 ? response : CREATED()))
}

function codes(response: HttpResponse): HttpResponse {
  const { status, headers } = response
  return status === 400 ? { status, headers: { ...headers, 'Content-Length': '0' } } : response
}

const PUSHES: readonly KnownBad[] = [
  {
    id: 'manifest-push-by-digest',
    does: 'answers 200 to a push by digest',
    fault: status(BY_DIGEST, 200, 201),
  },
  {
    id: 'manifest-push-by-tag',
    does: 'answers 202 to a push by tag',
    fault: status(BY_TAG, 202, 201),
  },
  {
    id: 'manifest-push-location',
    does: 'answers a push without location',
    fault: header('PUT manifest', 'Location'),
  },
  {
    id: 'manifest-push-location-pullable',
    does: 'answers a push with the location of nothing',
    fault: header('PUT manifest', 'Location', '/v2/elsewhere/manifests/latest'),
  },
  {
    id: 'manifest-push-digest',
    does: 'answers a push with another digest',
    fault: header(BY_DIGEST, 'Docker-Content-Digest', OTHER),
  },
  {
    id: 'manifest-push-wrong-digest',
    does: 'takes a manifest under any digest',
    fault: taking(at('PUT manifest', /wrong-digest.*sha256:/)),
  },
  {
    id: 'manifest-push-malformed-digest',
    does: 'takes a manifest under something like a digest',
    fault: taking(at('PUT manifest', /sha256:baddigest/)),
  },
  {
    id: 'manifest-push-malformed-tag',
    does: 'takes a manifest under something like a tag',
    fault: taking(at('PUT manifest', /manifests\/[.-]/)),
  },
  {
    id: 'manifest-push-long-tag',
    does: 'has no limit to tags',
    fault: taking(at('PUT manifest', /manifests\/[\w.-]{129,}/)),
  },
  {
    id: 'manifest-push-longest-tag',
    does: 'takes no tag of 128 characters',
    fault: status(at('PUT manifest', /manifests\/[\w.-]{128}\?/), 400),
  },
  {
    id: 'repository-name',
    does: 'allows no two underscores in names',
    fault: status(at('PUT manifest', /c__d/), 400),
  },
  {
    id: 'repository-malformed-name',
    does: 'takes upper-case names',
    fault: taking(at('PUT manifest', /Upper/)),
  },
  {
    id: 'manifest-push-exact-bytes',
    does: 'writes manifests anew',
    fault: answering('GET manifest', (response) => {
      if (response.body?.type !== 'bytes') return response
      const bytes = Buffer.from(JSON.stringify(JSON.parse(Buffer.from(response.body.bytes).toString())))
      const headers = { ...response.headers, 'Content-Length': `${bytes.length}` }
      return { ...response, headers, body: { type: 'bytes', bytes } }
    }),
  },
  {
    id: 'manifest-push-content-type-parameters',
    does: 'takes no parameters of a media type',
    fault: refusing(
      (request) => request.method === 'PUT' && /json;/.test(request.header('content-type') ?? ''),
      () => ({ status: 415, headers: { 'Content-Length': '0' } }),
    ),
  },
  {
    id: 'manifest-push-missing-blob',
    does: 'does not say that a blob is missing',
    fault: answering(at('PUT manifest', /missing-blob/), codes),
  },
  {
    id: 'manifest-push-missing-manifest',
    does: 'does not say that a manifest is missing',
    fault: answering(at('PUT manifest', /missing-manifest/), codes),
  },
  {
    id: 'tag-parameter-header',
    does: 'names one of several tags in OCI-Tag',
    fault: header(WITH_TAGS, 'OCI-Tag', '1'),
  },
  {
    id: 'tag-parameter-set',
    does: 'names tags in OCI-Tag that it does not set',
    fault: (app) =>
      header(SET, 'OCI-Tag', '1, 1.2')(asking(SET, () => ({ query: new URLSearchParams() }))(app)),
  },
  {
    id: 'tag-parameter-ten',
    does: 'sets up to nine tags at once',
    fault: header(WITH_TAGS, 'OCI-Tag', (tags) => tags.split(', ').slice(0, 9).join(', ')),
  },
  {
    id: 'manifest-sha512',
    does: 'takes digests of sha512 and forgets them',
    fault: status(at('GET manifest', /sha512/), 404, 200),
  },
  {
    id: 'manifest-sha512-tagged',
    does: 'knows no tag of a digest of sha512',
    fault: header(at('HEAD manifest', /sha512-tagged/), 'Docker-Content-Digest', OTHER),
  },
]

const SIZES: readonly KnownBad[] = [
  {
    id: 'manifest-push-4-megabytes',
    does: 'takes manifests of up to 1 MB',
    fault: refusing(
      ({ method, header }) => method === 'PUT' && Number(header('content-length')) === 4_000_000,
      () => ({ status: 413, headers: { 'Content-Length': '0' } }),
    ),
  },
  {
    id: 'manifest-push-too-large',
    does: 'takes manifests of any size',
    fault: status('PUT manifest', 201, 413),
  },
  {
    id: 'manifest-push-too-large-status',
    does: 'answers a manifest that is too large with 400',
    fault: status('PUT manifest', 400, 413),
  },
]

const CONTENTS: readonly KnownBad[] = [
  { id: 'manifest-without-layers', does: 'wants layers', fault: refusingContent(/"layers":\[\]/) },
  { id: 'manifest-index', does: 'takes no entries with a platform', fault: refusingContent(/"platform"/) },
  {
    id: 'manifest-nested-index',
    does: 'takes no index inside of an index',
    fault: refusingContent(/"manifests":\[\{"mediaType":"[^"]*index/),
  },
  { id: 'manifest-empty-index', does: 'wants entries', fault: refusingContent(/"manifests":\[\]/) },
  {
    id: 'manifest-unknown-child-type',
    does: 'knows all types of entries',
    fault: refusingContent(/"manifests":.*unknown\.v7/),
  },
  {
    id: 'manifest-artifact-type',
    does: 'has a list of types of artifacts',
    fault: refusingContent(/"artifactType":"application\/x\./),
  },
  {
    id: 'manifest-config-type',
    does: 'has a list of types of configs',
    fault: refusingContent(/example\.config/),
  },
  { id: 'manifest-layer-type', does: 'has a list of types of layers', fault: refusingContent(/text\/vnd/) },
  { id: 'manifest-custom-fields', does: 'takes no field of others', fault: refusingContent(/"newField"/) },
  { id: 'manifest-data', does: 'takes no data in descriptors', fault: refusingContent(/"data"/) },
  { id: 'manifest-foreign-layer', does: 'wants to have every layer', fault: refusingContent(/"urls"/) },
]

testCases('pushing manifests', manifestPushCases, PUSHES)
testCases('what manifests hold', manifestContentCases, CONTENTS)
testCases('sizes of manifests', manifestSizeCases, SIZES)
