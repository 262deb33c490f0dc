import { listCases } from '../../src/conformance/cases/extensions/stowage.ts'
import type { Fault } from './faulty-registry.ts'
import { asking, at, header, type JsonBody, json, type KnownBad, status, testCases } from './known-bad.ts'

type Entry = Record<string, unknown> & {
  digest: string
  tags: string[]
  annotations?: Record<string, string>
}

/** Lists of manifests that one case asks for. */
function ofCase(id: string): (request: Parameters<ReturnType<typeof at>>[0]) => boolean {
  return at('GET repositoryExtension', new RegExp(`/test-${id}/_stowage/manifests/list\\?`))
}

/** Lists each manifest otherwise, in one case. */
function listing(id: string, change: (entry: Entry) => object): Fault {
  return json(ofCase(id), (body) => ({ ...body, manifests: (body.manifests as Entry[]).map(change) }))
}

/** Lists manifests otherwise, in one case. */
function reordering(id: string, change: (entries: JsonBody['manifests']) => unknown): Fault {
  return json(ofCase(id), (body) => ({ ...body, manifests: change(body.manifests) }))
}

/** Doesn't see a parameter, in one case, or sees another value. */
function parameter(id: string, name: string, change?: (value: string) => string): Fault {
  return asking(ofCase(id), ({ query }) => ({ query: without(query, name, change) }))
}

function without(query: URLSearchParams, name: string, change?: (value: string) => string): URLSearchParams {
  const other = new URLSearchParams(query)
  other.delete(name)
  for (const value of change ? query.getAll(name) : []) other.append(name, change?.(value) ?? value)
  return other
}

const MANIFESTS: readonly KnownBad[] = [
  {
    id: 'manifest-list',
    does: 'lists only what has a tag',
    fault: reordering('manifest-list', (all) => (all as Entry[]).filter(({ tags }) => tags.length > 0)),
  },
  {
    id: 'manifest-list',
    does: 'lists one tag of each manifest',
    fault: listing('manifest-list', (entry) => ({ ...entry, tags: entry.tags.slice(0, 1) })),
  },
  {
    id: 'manifest-list-artifact',
    does: 'lists no subjects',
    fault: listing('manifest-list-artifact', ({ subject: _, ...entry }) => entry),
  },
  {
    id: 'manifest-list-artifact',
    does: 'lists no annotations',
    fault: listing('manifest-list-artifact', ({ annotations: _, ...entry }) => entry),
  },
  {
    id: 'manifest-list-platform',
    does: 'takes each image for one of amd64',
    fault: listing('manifest-list-platform', (entry) => ({
      ...entry,
      platform: { os: 'linux', architecture: 'amd64' },
    })),
  },
  {
    id: 'manifest-list-parents',
    does: 'lists no parents',
    fault: listing('manifest-list-parents', ({ parents: _, ...entry }) => entry),
  },
  {
    id: 'manifest-list-pushed-at',
    does: 'lists the time of the last push',
    fault: listing('manifest-list-pushed-at', (entry) => ({
      ...entry,
      pushedAt: `2026-01-01T00:00:0${entry.tags.length}Z`,
    })),
  },
  {
    id: 'manifest-list-total-size',
    does: 'counts what an index has in common as often as it is named',
    fault: listing('manifest-list-total-size', (entry) => ({
      ...entry,
      totalSize: Number(entry.totalSize) + (entry.tags.length > 0 ? 2 : 0),
    })),
  },
  {
    id: 'manifest-list-order',
    does: 'lists the last push first',
    fault: reordering('manifest-list-order', (all) => all.toReversed()),
  },
  {
    id: 'manifest-list-sort',
    does: 'sorts in one direction only',
    fault: parameter('manifest-list-sort', 'sort', (sort) => sort.replace('-', '')),
  },
  {
    id: 'manifest-list-pages',
    does: 'has no second page',
    fault: header(ofCase('manifest-list-pages'), 'Link'),
  },
  {
    id: 'manifest-list-pages',
    does: 'pays no heed to n',
    fault: parameter('manifest-list-pages', 'n'),
  },
  {
    id: 'manifest-list-cursor',
    does: 'counts where it goes on from the first manifest that is left',
    fault: parameter('manifest-list-cursor', 'cursor'),
  },
]

const FILTERS: readonly KnownBad[] = [
  {
    id: 'manifest-filter-tag',
    does: 'takes a pattern of tags for a prefix',
    fault: parameter('manifest-filter-tag', 'tag', (tag) => `${tag}*`),
  },
  {
    id: 'manifest-filter-untagged',
    does: 'takes what has no tag itself for untagged',
    fault: (app) =>
      reordering('manifest-filter-untagged', (all) =>
        (all as Entry[]).filter(({ tags }) => tags.length === 0),
      )(parameter('manifest-filter-untagged', 'untagged')(app)),
  },
  {
    id: 'manifest-filter-type',
    does: 'wants all of several types',
    fault: json(
      (request) => ofCase('manifest-filter-type')(request) && request.query.getAll('artifactType').length > 1,
      (body) => ({ ...body, manifests: [] }),
    ),
  },
  {
    id: 'manifest-filter-type',
    does: 'does not filter by media types',
    fault: parameter('manifest-filter-type', 'mediaType'),
  },
  {
    id: 'manifest-filter-annotation',
    does: 'looks for keys of annotations only',
    fault: parameter('manifest-filter-annotation', 'annotation', (text) => text.replace(/=.*/, '')),
  },
  {
    id: 'manifest-filter-label',
    does: 'takes all selectors for equality',
    fault: parameter('manifest-filter-label', 'labelSelector', (text) => text.replace('!=', '=')),
  },
  {
    id: 'manifest-filter-subject',
    does: 'does not filter by subject',
    fault: parameter('manifest-filter-subject', 'subject'),
  },
  {
    id: 'manifest-filter-platform',
    does: 'looks for the system only',
    fault: parameter('manifest-filter-platform', 'platform', () => 'linux/amd64'),
  },
  {
    id: 'manifest-filter-time',
    does: 'does not filter by pull times',
    fault: parameter('manifest-filter-time', 'pulledBefore'),
  },
  {
    id: 'manifest-filters-applied',
    does: 'does not say what it has filtered by',
    fault: header(ofCase('manifest-filters-applied'), 'OCI-Filters-Applied'),
  },
]

/** Both methods on the list of one case. */
function stateOf(id: string): (request: Parameters<ReturnType<typeof at>>[0]) => boolean {
  return at('GET|HEAD repositoryExtension', new RegExp(`/test-${id}/_stowage/`))
}

const FORMS: readonly KnownBad[] = [
  {
    id: 'manifest-list-etag',
    does: 'has weak ETags',
    fault: header(stateOf('manifest-list-etag'), 'ETag', (etag) => `W/${etag}`),
  },
  {
    id: 'manifest-list-etag',
    does: 'sends a list that has not changed',
    fault: asking(stateOf('manifest-list-etag'), (request) => ({
      header: (name) => (name === 'if-none-match' ? undefined : request.header(name)),
    })),
  },
  {
    id: 'manifest-list-etag-changes',
    does: 'has one ETag for all times',
    fault: (app) => async (request) => {
      const response = await app(request)
      if (!stateOf('manifest-list-etag-changes')(request) || !response.headers.ETag) return response
      const isKnown = request.header('if-none-match') !== undefined
      const headers = { ...response.headers, ETag: '"same"' }
      return isKnown ? { status: 304, headers: { ETag: '"same"' } } : { ...response, headers }
    },
  },
  {
    id: 'manifest-list-etag-query',
    does: 'has one ETag for all queries',
    fault: (app) => async (request) =>
      stateOf('manifest-list-etag-query')(request) && request.query.has('untagged')
        ? { status: 304, headers: {} }
        : await app(request),
  },
  {
    id: 'manifest-list-etag-pulls',
    does: 'has an ETag for what depends on pulls',
    fault: (app) => async (request) => {
      const response = await app(request)
      if (!stateOf('manifest-list-etag-pulls')(request)) return response
      return { ...response, headers: { ...response.headers, ETag: '"some"' } }
    },
  },
  {
    id: 'manifest-list-media-type',
    does: 'calls everything JSON',
    fault: header(ofCase('manifest-list-media-type'), 'Content-Type', 'application/json'),
  },
  {
    id: 'manifest-list-media-type',
    does: 'sends a list that nobody asked for',
    fault: status(ofCase('manifest-list-media-type'), 200, 406),
  },
  {
    id: 'manifest-list-index',
    does: 'leaves tags out of an index',
    fault: listing('manifest-list-index', ({ annotations: _, ...entry }) => entry),
  },
  {
    id: 'manifest-list-proposed-path',
    does: 'has no tag named list any more',
    fault: asking(at('GET', /proposed-path\/manifests\/list/), (request) => ({
      header: (name) =>
        name === 'accept' ? 'application/vnd.stowage.manifests.v1+json' : request.header(name),
    })),
  },
  {
    id: 'manifest-list-bad-parameter',
    does: 'takes a selector that is none for no selector',
    fault: parameter('manifest-list-bad-parameter', 'labelSelector'),
  },
  {
    id: 'manifest-list-bad-parameter',
    does: 'does not say which parameter is wrong',
    fault: json(ofCase('manifest-list-bad-parameter'), ({ errors }) => ({
      errors: errors.map(({ code, message }) => ({ code, message })),
    })),
  },
  {
    id: 'manifest-list-unknown',
    does: 'has an empty list of what is not there',
    fault: status(at('GET repositoryExtension', /unknown-other/), 200, 404),
  },
]

/** Repository lists of one case. */
function below(id: string): (request: Parameters<ReturnType<typeof at>>[0]) => boolean {
  return at('GET repositoryExtension', new RegExp(`/test-${id}/_stowage/repositories/list`))
}

function naming(id: string, change: (names: string[]) => string[]): Fault {
  return json(below(id), (body) => ({ ...body, repositories: change(body.repositories as string[]) }))
}

const REPOSITORIES: readonly KnownBad[] = [
  {
    id: 'repository-list',
    does: 'leaves out what is only the way to others',
    fault: naming('repository-list', (names) => names.filter((name) => name !== 'b')),
  },
  {
    id: 'repository-list-recursive',
    does: 'lists what is no repository',
    fault: naming('repository-list-recursive', (names) => [...names, 'b'].sort()),
  },
  {
    id: 'repository-list-empty',
    does: 'lists a path as what is below it',
    fault: naming('repository-list-empty', () => ['test-repository-list-empty']),
  },
  {
    id: 'repository-list-pages',
    does: 'has no second page of repositories',
    fault: header(below('repository-list-pages'), 'Link'),
  },
  {
    id: 'repository-list-registry',
    does: 'lists whole names where it is asked for the first parts',
    fault: asking(at('GET registryExtension', /repositories\/list/), () => ({
      query: new URLSearchParams({ recursive: 'true' }),
    })),
  },
  {
    id: 'repository-list-detail',
    does: 'takes each path for a repository',
    fault: json(below('repository-list-detail'), (body) => ({
      ...body,
      details: (body.details as object[]).map((each) => ({ ...each, isRepository: true })),
    })),
  },
  {
    id: 'repository-list-etag',
    does: 'does not see that there are more repositories',
    fault: (app) => async (request) =>
      below('repository-list-etag')(request) && request.header('if-none-match') !== undefined
        ? { status: 304, headers: {} }
        : await app(request),
  },
  {
    id: 'repository-list-media-type',
    does: 'calls every list of repositories JSON',
    fault: header(below('repository-list-media-type'), 'Content-Type', 'application/json'),
  },
  {
    id: 'repository-list-bad-parameter',
    does: 'takes what is neither true nor false for false',
    fault: asking(below('repository-list-bad-parameter'), ({ query }) => ({
      query: without(query, 'recursive'),
    })),
  },
]

testCases('lists', listCases, [...MANIFESTS, ...FILTERS, ...FORMS, ...REPOSITORIES])
