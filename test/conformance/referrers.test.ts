import { longReferrerCases, referrerCases } from '../../src/conformance/cases/specification/referrers.ts'
import type { Fault } from './faulty-registry.ts'
import {
  answering,
  asking,
  at,
  header,
  json,
  type KnownBad,
  refusingContent,
  status,
  testCases,
} from './known-bad.ts'

const LIST = 'GET referrers'
const FILTERED = at(LIST, /artifactType=/)

/** Lists descriptors otherwise. */
function descriptors(change: (descriptor: Record<string, unknown>) => object, which = at(LIST, /./)): Fault {
  return json(which, (body) => ({
    ...body,
    ...(body.manifests && { manifests: body.manifests.map(change) }),
  }))
}

function isIndex({ mediaType }: Record<string, unknown>): boolean {
  return String(mediaType).includes('index')
}

function without(field: string, which: (descriptor: Record<string, unknown>) => boolean): Fault {
  return descriptors((descriptor) => (which(descriptor) ? { ...descriptor, [field]: undefined } : descriptor))
}

const TABLE: readonly KnownBad[] = [
  {
    id: 'subject-missing',
    does: 'wants the subject to be there',
    fault: refusingContent(/"subject"/),
  },
  {
    id: 'subject-header',
    does: 'does not say that it saw the subject',
    fault: header('PUT manifest', 'OCI-Subject'),
  },
  { id: 'referrers-list', does: 'has no list of referrers, but says so', fault: status(LIST, 404) },
  {
    id: 'referrers-form',
    does: 'lists referrers in no index',
    fault: json(LIST, ({ manifests, errors }) => ({ manifests, errors })),
  },
  {
    id: 'referrers-content-type',
    does: 'lists referrers as JSON',
    fault: header(LIST, 'Content-Type', 'application/json'),
  },
  {
    id: 'referrers-descriptor',
    does: 'gives another size of a referrer',
    fault: descriptors((descriptor) => ({ ...descriptor, size: 0 })),
  },
  {
    id: 'referrers-of-repository',
    does: 'lists the referrers of all repositories',
    fault: asking(at('PUT manifest', /-other\//), ({ path }) => ({ path: path.replace('-other', '') })),
  },
  {
    id: 'referrers-before-subject',
    does: 'forgets referrers when their subject comes',
    fault: (app) => {
      let pushes = 0
      const counting = answering(at('PUT manifest', /before-subject/), (response) => {
        pushes++
        return response
      })
      return json(at(LIST, /before-subject/), (body) => (pushes > 1 ? { ...body, manifests: [] } : body))(
        counting(app),
      )
    },
  },
  {
    id: 'referrers-artifact-type',
    does: 'lists artifacts without types',
    fault: without('artifactType', ({ artifactType }) => artifactType === 'application/vnd.example.sbom'),
  },
  {
    id: 'referrers-artifact-type-of-index',
    does: 'lists indexes without types',
    fault: without('artifactType', isIndex),
  },
  {
    id: 'referrers-artifact-type-of-config',
    does: 'does not take the type of a config for the one of a referrer',
    fault: without('artifactType', ({ artifactType }) => artifactType === 'application/vnd.example.config'),
  },
  {
    id: 'referrers-artifact-type-none',
    does: 'lists empty types',
    fault: descriptors((descriptor) => ({ artifactType: '', ...descriptor })),
  },
  {
    id: 'referrers-annotations',
    does: 'lists indexes without annotations',
    fault: without('annotations', isIndex),
  },
  {
    id: 'referrers-empty',
    does: 'answers null where nothing refers',
    fault: json(at(LIST, /referrers-empty/), (body) => ({ ...body, manifests: null })),
  },
  {
    id: 'referrers-found',
    does: 'has no list of referrers in an unknown repository',
    fault: status(at(LIST, /referrers-found/), 404),
  },
  {
    id: 'referrers-malformed-digest',
    does: 'finds no referrers of what is no digest',
    fault: status(LIST, 404, 400),
  },
  {
    id: 'referrers-filter',
    does: 'lists all types where it was asked for one',
    fault: (app) =>
      header(
        FILTERED,
        'OCI-Filters-Applied',
      )(asking(FILTERED, () => ({ query: new URLSearchParams() }))(app)),
  },
  {
    id: 'referrers-filter-whole',
    does: 'lists one referrer of a type',
    fault: json(FILTERED, (body) => ({ ...body, manifests: body.manifests.slice(1) })),
  },
  {
    id: 'referrers-filter-header',
    does: 'does not say that it lists one type',
    fault: header(FILTERED, 'OCI-Filters-Applied'),
  },
  {
    id: 'referrers-filter-header-right',
    does: 'says that it lists one type whenever it lists',
    fault: header(LIST, 'OCI-Filters-Applied', 'artifactType'),
  },
]

const LONG: readonly KnownBad[] = [
  { id: 'referrers-pages', does: 'lists the first referrers only', fault: header(LIST, 'Link') },
]

testCases('referrers', referrerCases, TABLE)
testCases('long lists of referrers', longReferrerCases, LONG)
