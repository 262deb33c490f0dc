import { contentCases } from '../../src/conformance/cases/extensions/content.ts'
import type { HttpRequest } from '../../src/http/message.ts'
import type { Fault } from './faulty-registry.ts'
import { answering, asking, at, header, json, type KnownBad, status, testCases, text } from './known-bad.ts'

interface Location {
  type: string
  url: string
  priority: number
}
type Matches = (request: HttpRequest) => boolean

const DATA = at('GET registryExtension', /_stowage\/content\/data/)
const HEAD = at('HEAD registryExtension', /_stowage\/content\/data/)

function of(id: string): Matches {
  return at('GET repositoryExtension', new RegExp(`/test-${id}/_stowage/content/locations\\?`))
}

/** Tells locations otherwise. */
function locating(matches: Matches, change: (locations: Location[]) => Location[]): Fault {
  return json(matches, (body) =>
    'locations' in body ? { ...body, locations: change(body.locations as Location[]) } : body,
  )
}

const TABLE: readonly KnownBad[] = [
  {
    id: 'content-by-digest',
    does: 'does not say what the digest of content is',
    fault: header(DATA, 'Docker-Content-Digest'),
  },
  {
    id: 'content-by-digest-manifest',
    does: 'sends manifests as bytes',
    fault: header(DATA, 'Content-Type', 'application/octet-stream'),
  },
  {
    id: 'content-by-digest-range',
    does: 'sends other bytes than those of a range',
    fault: answering(DATA, (response) =>
      response.status === 206
        ? text(response, 'x'.repeat(Number(response.headers['Content-Length'] ?? 0)))
        : response,
    ),
  },
  {
    id: 'content-by-digest-condition',
    does: 'tells HEAD no length',
    fault: header(HEAD, 'Content-Length'),
  },
  {
    id: 'content-by-digest-condition',
    does: 'sends content to who has it',
    fault: asking(DATA, (request) => ({
      header: (name) => (name === 'if-none-match' ? undefined : request.header(name)),
    })),
  },
  {
    id: 'content-by-digest-unknown',
    does: 'forbids what it does not know',
    fault: status(DATA, 403, 404),
  },
  {
    id: 'content-by-digest-bad-parameter',
    does: 'knows nothing of what is no digest',
    fault: status(DATA, 404, 400),
  },
  {
    id: 'content-locations',
    does: 'leads to where nothing is',
    fault: locating(of('content-locations'), (all) =>
      all.map((location) => ({ ...location, url: location.url.replace('/blobs/', '/manifests/') })),
    ),
  },
  {
    id: 'content-locations-registry',
    does: 'tells one repository only',
    fault: locating(at('GET registryExtension', /content\/locations/), (all) => all.slice(0, 2)),
  },
  {
    id: 'content-locations-descriptor',
    does: 'leads clients into their own machine',
    fault: locating(of('content-locations-descriptor'), (all) => [
      ...all,
      { type: 'descriptor', url: 'file:///etc/passwd', priority: 2 },
    ]),
  },
  {
    id: 'content-locations-referrer',
    does: 'tells nothing of what was registered',
    fault: locating(of('content-locations-referrer'), (all) => all.filter(({ type }) => type !== 'referrer')),
  },
  {
    id: 'content-locations-withdrawn',
    does: 'goes on to tell what was withdrawn',
    fault: locating(of('content-locations-withdrawn'), (all) => [
      ...all,
      { type: 'referrer', url: 'ipfs://bafybeigd', priority: 3 },
    ]),
  },
  {
    id: 'content-locations-refused',
    does: 'calls it a success that it knows nothing',
    fault: status(of('content-locations-refused'), 200, 404),
  },
]

testCases('content', contentCases, TABLE)
