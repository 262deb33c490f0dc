import { clientListCases } from '../../src/conformance/cases/clients/lists.ts'
import { clientPullCases } from '../../src/conformance/cases/clients/pulls.ts'
import { clientRequestCases } from '../../src/conformance/cases/clients/requests.ts'
import {
  answering,
  asking,
  at,
  header,
  json,
  type KnownBad,
  refusing,
  status,
  testCases,
  text,
} from './known-bad.ts'

const BY_DIGEST = /manifests\/sha256:/

const PULLS: readonly KnownBad[] = [
  {
    id: 'client-base-length',
    does: 'says another length at /v2/',
    fault: header('HEAD base', 'Content-Length', '20'),
  },
  {
    id: 'client-head-manifest',
    does: 'says no length of a manifest',
    fault: header('HEAD manifest', 'Content-Length', '0'),
  },
  {
    id: 'client-head-blob',
    does: 'says no length of a blob',
    fault: header('HEAD blob', 'Content-Length', '0'),
  },
  {
    id: 'client-head-and-get',
    does: 'finds the blobs of all repositories',
    fault: status('HEAD blob', 200, 404),
  },
  {
    id: 'client-range-from-zero',
    does: 'takes no range that has no end',
    fault: refused((value) => value === 'bytes=0-', 400),
  },
  {
    id: 'client-range-resumed',
    does: 'does not say where a part begins',
    fault: header('GET blob', 'Content-Range'),
  },
  {
    id: 'client-range-several',
    does: 'takes no two ranges',
    fault: refused((value) => value.includes(','), 416),
  },
  {
    id: 'client-no-encoding',
    does: 'codes what it sends',
    fault: header(
      (request) => /q=0\.8/.test(request.header('accept-encoding') ?? ''),
      'Content-Encoding',
      'x-own',
    ),
  },
  {
    id: 'client-accept-any',
    does: 'hides manifests from who asks for none',
    fault: status(at('GET manifest', /accept-any/), 404),
  },
  {
    id: 'client-accept-other',
    does: 'holds to the types that are asked for',
    fault: status((request) => /^[^,]*docker[^,]*$/.test(request.header('accept') ?? ''), 406),
  },
  {
    id: 'client-digest-of-tag',
    does: 'has no manifest by the digest of a tag',
    fault: status((request) => /digest-of-tag/.test(request.path) && BY_DIGEST.test(request.path), 404, 200),
  },
  {
    id: 'client-digest-stays',
    does: 'has manifests by their tags only',
    fault: status((request) => /digest-stays/.test(request.path) && BY_DIGEST.test(request.path), 404, 200),
  },
  {
    id: 'client-media-type',
    does: 'forgets the types of indexes',
    fault: header(at('GET|HEAD manifest', /client-media-type/), 'Content-Type', 'application/octet-stream'),
  },
  {
    id: 'client-error-body',
    does: 'answers errors as text',
    fault: answering('GET manifest', (response) =>
      response.status === 404 ? text(response, 'Not Found') : response,
    ),
  },
  {
    id: 'client-encoded-name',
    does: 'keeps encoded slashes as they are',
    fault: status(({ path }) => /%2f/.test(path), 404),
  },
]

const LISTS: readonly KnownBad[] = [
  {
    id: 'client-tags-array',
    does: 'has null for no tags',
    fault: json('GET tags', (body) => (body.tags?.length === 0 ? { ...body, tags: null } : body)),
  },
  {
    id: 'client-tags-only',
    does: 'lists digests as tags',
    fault: json(at('GET tags', /tags-only/), (body) => ({
      ...body,
      tags: [...body.tags, `sha256:${'0'.repeat(64)}`],
    })),
  },
  {
    id: 'client-n-large',
    does: 'refuses what is above its maximum',
    fault: status(({ query }) => Number(query.get('n')) > 1000, 400),
  },
  {
    id: 'client-last-order',
    does: 'goes on in another order than it lists in',
    fault: asking(at('GET tags', /n=1&last=a-b$/), () => ({
      query: new URLSearchParams({ n: '1', last: 'a_b' }),
    })),
  },
  {
    id: 'client-last-unknown',
    does: 'wants the last tag to be there',
    fault: status(at('GET tags', /last=aa$/), 404),
  },
  {
    id: 'client-last-page',
    does: 'leads on from the last page to itself',
    fault: answering(at('GET tags', /n=3/), (response, { path }) => ({
      ...response,
      headers: { Link: `<${path}?n=3>; rel="next"`, ...response.headers },
    })),
  },
  {
    id: 'client-link-here',
    does: 'leads on to another host',
    fault: header(at('GET tags', /n=2/), 'Link', (link) =>
      link.replace('<', '<https://registry.example.org'),
    ),
  },
  {
    id: 'client-catalog',
    does: 'lists repositories as text',
    fault: header('GET catalog', 'Content-Type', 'text/plain'),
  },
]

/** Refuses requests for blobs by their range. */
function refused(which: (range: string) => boolean, wrong: number) {
  return refusing(
    (request) => which(request.header('range') ?? ''),
    () => ({ status: wrong, headers: { 'Content-Length': '0' } }),
  )
}

const REQUESTS: readonly KnownBad[] = [
  {
    id: 'client-tag-out-of-grammar',
    does: 'holds reads to the grammar of tags',
    fault: status(({ path }) => path.endsWith('/.INVALID_MANIFEST_NAME'), 400, 404),
  },
  {
    id: 'client-content-type-case',
    does: 'compares types letter by letter',
    fault: status((request) => /[A-Z]/.test(request.header('content-type') ?? ''), 400),
  },
  {
    id: 'client-content-type-form',
    does: 'keeps any type',
    fault: status((request) => /form/.test(request.header('content-type') ?? ''), 201, 400),
  },
  { id: 'client-range-of-nothing', does: 'has no end of nothing', fault: status('GET blob', 416, 200) },
  {
    id: 'client-n-empty',
    does: 'takes an empty number for a mistake',
    fault: status(({ query }) => query.get('n') === '', 400),
  },
]

testCases('what clients need to pull', clientPullCases, PULLS)
testCases('what clients need of lists', clientListCases, LISTS)
testCases('what clients need of odd requests', clientRequestCases, REQUESTS)
