import { Readable } from 'node:stream'
import { historyCases } from '../../src/conformance/cases/extensions/stowage.ts'
import type { HttpRequest } from '../../src/http/message.ts'
import type { Fault } from './faulty-registry.ts'
import { asking, at, header, json, type KnownBad, refusing, status, testCases } from './known-bad.ts'

type Entry = Record<string, unknown>
type Matches = (request: HttpRequest) => boolean

/** Requests that one case makes to an endpoint. */
function of(id: string, endpoint: string, method = 'GET'): Matches {
  return at(`${method} repositoryExtension`, new RegExp(`/test-${id}/_stowage/${endpoint}\\?`))
}

/** Changes the list in a body, in one case. */
function listing(matches: Matches, field: string, change: (entries: Entry[]) => unknown): Fault {
  return json(matches, (body) =>
    field in body ? { ...body, [field]: change(body[field] as Entry[]) } : body,
  )
}

function history(id: string, change: (entry: Entry) => Entry): Fault {
  return listing(of(id, 'tags/history'), 'history', (entries) => entries.map(change))
}

function tags(id: string, change: (entry: Entry) => Entry): Fault {
  return listing(of(id, 'tags/list'), 'tags', (entries) => entries.map(change))
}

/** Doesn't see a parameter. */
function blind(matches: Matches, parameter: string): Fault {
  return asking(matches, ({ query }) => {
    const other = new URLSearchParams(query)
    other.delete(parameter)
    return { query: other }
  })
}

/** Answers success without doing anything. */
function idle(matches: Matches, code: number, body: object = {}): Fault {
  const bytes = Buffer.from(JSON.stringify(body))
  const headers = { 'Content-Type': 'application/json', 'Content-Length': `${bytes.length}` }
  return refusing(matches, () => ({ status: code, headers, body: { type: 'bytes', bytes } }))
}

const PAST: readonly KnownBad[] = [
  {
    id: 'tag-history',
    does: 'lists what a tag was from the oldest on',
    fault: listing(of('tag-history', 'tags/history'), 'history', (entries) => entries.toReversed()),
  },
  {
    id: 'tag-history',
    does: 'keeps one digest of each tag',
    fault: listing(of('tag-history', 'tags/history'), 'history', (entries) => entries.slice(0, 1)),
  },
  {
    id: 'tag-history-removed',
    does: 'does not list that a tag was removed',
    fault: listing(of('tag-history-removed', 'tags/history'), 'history', (entries) =>
      entries.filter(({ removed }) => removed !== true),
    ),
  },
  {
    id: 'tag-history-available',
    does: 'takes each manifest of a history for one that is there',
    fault: history('tag-history-available', (entry) => ({ ...entry, available: true })),
  },
  {
    id: 'tag-history-pages',
    does: 'begins a history anew on each page',
    fault: blind(of('tag-history-pages', 'tags/history'), 'cursor'),
  },
  {
    id: 'tag-history-etag',
    does: 'sends a history that has not changed',
    fault: asking(of('tag-history-etag', 'tags/history'), (request) => ({
      header: (name) => (name === 'if-none-match' ? undefined : request.header(name)),
    })),
  },
  {
    id: 'tag-history-unknown',
    does: 'has an empty history of what never was',
    fault: status(of('tag-history-unknown', 'tags/history'), 200, 404),
  },
  {
    id: 'tag-history-bad-parameter',
    does: 'begins anew where a cursor is none',
    fault: blind(of('tag-history-bad-parameter', 'tags/history'), 'cursor'),
  },
  {
    id: 'past-tags',
    does: 'lists tags as they are, whatever it was asked for',
    fault: blind(of('past-tags', 'tags/list'), 'at'),
  },
  {
    id: 'past-tags-time',
    does: 'does not say which revision a time means',
    fault: json(of('past-tags-time', 'tags/list'), ({ revision: _, ...body }) => body),
  },
  {
    id: 'past-tags-removed',
    does: 'forgets a tag that was removed',
    fault: listing(of('past-tags-removed', 'tags/list'), 'tags', () => []),
  },
  {
    id: 'past-tags-available',
    does: 'takes each manifest that a tag was for one that is there',
    fault: tags('past-tags-available', (entry) => ({ ...entry, available: true })),
  },
  {
    id: 'past-tags-pages',
    does: 'goes on in the present',
    fault: (app) => async (request) => {
      const isNext = of('past-tags-pages', 'tags/list')(request) && request.query.has('cursor')
      const response = await app(request)
      if (!isNext || response.body?.type !== 'bytes') return response
      const text = Buffer.from(response.body.bytes).toString().replaceAll('sha256:', 'sha256:0')
      const bytes = Buffer.from(text)
      const headers = { ...response.headers, 'Content-Length': `${bytes.length}` }
      return { ...response, headers, body: { type: 'bytes', bytes } }
    },
  },
  {
    id: 'past-tags-bad-parameter',
    does: 'knows the future',
    fault: status(at('GET', /past-tags-bad-parameter.*at=2999/), 200, 400),
  },
]

const UNDOING: readonly KnownBad[] = [
  {
    id: 'tag-rollback',
    does: 'sets another tag back than it was asked to',
    fault: (app) => async (request) => {
      if (!of('tag-rollback', 'tags/rollback', 'POST')(request)) return await app(request)
      const chunks: Uint8Array[] = []
      for await (const chunk of request.body) chunks.push(chunk)
      const body = Buffer.concat(chunks).toString().replace('"v1"', '"v2"')
      const length = (name: string) => (name === 'content-length' ? `${body.length}` : request.header(name))
      const other = { header: length, body: Readable.from([Buffer.from(body)]) }
      return await asking('POST', () => other)(app)(request)
    },
  },
  {
    id: 'tag-rollback-revision',
    does: 'does not know what a tag was at a revision',
    fault: status(of('tag-rollback-revision', 'tags/rollback', 'POST'), 404, 200),
  },
  {
    id: 'tag-rollback-condition',
    does: 'sets a tag back whatever it is meanwhile',
    fault: asking(of('tag-rollback-condition', 'tags/rollback', 'POST'), (request) => ({
      header: (name) => (name === 'if-match' ? undefined : request.header(name)),
    })),
  },
  {
    id: 'tag-rollback-gone',
    does: 'says that it has set a tag to what is not there',
    fault: status(of('tag-rollback-gone', 'tags/rollback', 'POST'), 200, 409),
  },
  {
    id: 'tag-rollback-bad-body',
    does: 'does not say which field of a rollback is wrong',
    fault: json(of('tag-rollback-bad-body', 'tags/rollback', 'POST'), ({ errors }) => ({
      errors: errors.map(({ code, message }) => ({ code, message })),
    })),
  },
  {
    id: 'manifest-undelete',
    does: 'says that it has brought a manifest back, and has not',
    fault: idle(of('manifest-undelete', 'manifests/undelete', 'POST'), 200, {
      tags: [],
      previousTags: ['v1'],
    }),
  },
  {
    id: 'manifest-undelete-tags',
    does: 'brings a manifest back with one of the tags that it was asked to set',
    fault: status(at('GET manifest', /undelete-tags\/manifests\/old/), 404),
  },
  {
    id: 'manifest-undelete-index',
    does: 'brings an index back without what is below it',
    fault: (app) => {
      let isBack = false
      return async (request) => {
        isBack ||= of('manifest-undelete-index', 'manifests/undelete', 'POST')(request)
        const isChild = at('GET manifest', /undelete-index\/manifests\/sha256/)(request)
        return isBack && isChild ? { status: 404, headers: {} } : await app(request)
      }
    },
  },
  {
    id: 'manifest-undelete-missing',
    does: 'does not name what has gone',
    fault: json(of('manifest-undelete-missing', 'manifests/undelete', 'POST'), ({ errors }) => ({
      errors: errors.map(({ code, message }) => ({ code, message })),
    })),
  },
  {
    id: 'manifest-undelete-refused',
    does: 'brings back what was never gone',
    fault: status(of('manifest-undelete-refused', 'manifests/undelete', 'POST'), 200, 409),
  },
  {
    id: 'manifest-undelete-bad-body',
    does: 'takes any body for an undelete',
    fault: status(of('manifest-undelete-bad-body', 'manifests/undelete', 'POST'), 422, 400),
  },
  {
    id: 'manifest-purge',
    does: 'keeps the content of what was purged',
    fault: (app) => async (request) => {
      const response = await app(request)
      const isBlob = at('GET blob', /test-manifest-purge\/blobs/)(request)
      return isBlob && response.status === 404 ? { status: 200, headers: {} } : response
    },
  },
  {
    id: 'manifest-purge-final',
    does: 'purges nothing that was deleted before',
    fault: idle(of('manifest-purge-final', 'manifests/purge', 'DELETE'), 202),
  },
  {
    id: 'manifest-purge-deleted',
    does: 'does not know what was deleted when it is to purge it',
    fault: status(of('manifest-purge-deleted', 'manifests/purge', 'DELETE'), 404, 202),
  },
  {
    id: 'manifest-purge-shared',
    does: 'purges what others need',
    fault: status(at('GET blob', /test-manifest-purge-shared\/blobs/), 404, 200),
  },
  {
    id: 'manifest-purge-refused',
    does: 'says that it has purged what an index needs',
    fault: status(of('manifest-purge-refused', 'manifests/purge', 'DELETE'), 202, 405),
  },
]

const DELETION: readonly KnownBad[] = [
  {
    id: 'repository-delete',
    does: 'does not say where to ask for the progress of a deletion',
    fault: header(of('repository-delete', 'repository/self', 'DELETE'), 'Location'),
  },
  {
    id: 'repository-delete-gone',
    does: 'says that it has deleted a repository, and has not',
    fault: idle(of('repository-delete-gone', 'repository/self', 'DELETE'), 202),
  },
  {
    id: 'repository-delete-again',
    does: 'has what an earlier repository had',
    fault: (app) => async (request) => {
      const response = await app(request)
      const isOld = at('GET manifest', /delete-again\/manifests\/v1/)(request)
      return isOld && response.status === 404 ? { status: 200, headers: {} } : response
    },
  },
  {
    id: 'repository-delete-unknown',
    does: 'says that it deletes what is not there',
    fault: status(of('repository-delete-unknown', 'repository/self', 'DELETE'), 202, 404),
  },
]

testCases('history', historyCases, [...PAST, ...UNDOING, ...DELETION])
