import { clientRetryCases } from '../../src/conformance/cases/clients/retries.ts'
import type { HttpRequest } from '../../src/http/message.ts'
import { parseContentRange } from '../../src/oci/range.ts'
import { answering, asking, type KnownBad, refusing, status, testCases } from './known-bad.ts'

const answer = (wrong: number) => () => ({ status: wrong, headers: { 'Content-Length': '0' } })

/** Chunks whose length is another than their range says. */
function isMismatched(request: HttpRequest): boolean {
  const range = parseContentRange(request.header('content-range') ?? '')
  const length = request.header('content-length')
  if (request.method !== 'PATCH' || range === undefined || length === undefined) return false
  return Number(length) !== range.end - range.start + 1
}

function isStreamed(request: HttpRequest): boolean {
  return request.method === 'PATCH' && request.header('content-length') === undefined
}

const RETRIES: readonly KnownBad[] = [
  {
    id: 'client-close-again',
    does: 'forgets an upload when it is closed',
    fault: (app) => {
      const closed = new Set<string>()
      const isClosed = ({ method, path }: HttpRequest) => method === 'PUT' && closed.has(path)
      const forgetting = refusing(isClosed, answer(404))(app)
      return async (request) => {
        const response = await forgetting(request)
        if (request.method === 'PUT' && response.status === 201) closed.add(request.path)
        return response
      }
    },
  },
  {
    id: 'client-close-again',
    does: 'trusts whoever closes an upload again',
    fault: answering('PUT upload', (response) =>
      response.status === 404 ? { ...response, status: 201 } : response,
    ),
  },
  {
    id: 'client-chunk-short',
    does: 'takes a chunk that ends short of its range',
    fault: asking(isStreamed, (request) => ({
      header: (name) => (name === 'content-range' ? undefined : request.header(name)),
    })),
  },
  {
    id: 'client-chunk-start-first',
    does: 'looks at the length of a chunk first',
    fault: status(isMismatched, 400, 416),
  },
]

testCases('what clients need to try again', clientRetryCases, RETRIES)
