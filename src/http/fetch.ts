import { readChunks } from './content.ts'
import type { HttpApp, HttpBody, HttpRequest } from './message.ts'
import { type OriginReader, originReader, type RequestOrigin } from './request-origin.ts'

/**
 * Mounts an app in any host that speaks the web's own `Request` and `Response`; also for tests without a port.
 *
 * @param readOrigin tells whose a request is; the host does not say at whose address its client is, so no proxy is trusted
 */
export function toFetch(
  app: HttpApp,
  readOrigin: OriginReader = originReader(),
): (request: Request) => Promise<Response> {
  return async (request) => {
    const gone = new AbortController()
    const signal = AbortSignal.any([request.signal, gone.signal])
    const { status, headers, body } = await app(toHttpRequest(request, readOrigin, signal))
    const stream = body === undefined ? null : toStream(body, () => gone.abort())
    return new Response(stream, { status, headers })
  }
}

function toHttpRequest(request: Request, readOrigin: OriginReader, signal: AbortSignal): HttpRequest {
  const url = new URL(request.url)
  let origin: RequestOrigin | undefined
  const header = (name: string) => request.headers.get(name) ?? undefined
  return {
    method: request.method,
    path: url.pathname,
    query: url.searchParams,
    header,
    get origin() {
      // A Request has its host in the URL, and mostly no such header.
      origin ??= readOrigin({ peer: undefined, isEncrypted: url.protocol === 'https:' }, (name) =>
        name === 'host' ? (header(name) ?? url.host) : header(name),
      )
      return origin
    },
    signal,
    body: request.body ?? noBytes(),
  }
}

async function* noBytes(): AsyncGenerator<Uint8Array> {}

function toStream(body: HttpBody, onCancel: () => void): ReadableStream<Uint8Array> {
  const chunks = (body.type === 'stream' ? body.chunks : readChunks(body))[Symbol.asyncIterator]()
  return new ReadableStream({
    async pull(controller) {
      const next = await chunks.next()
      if (next.done) controller.close()
      else controller.enqueue(next.value)
    },
    async cancel() {
      onCancel()
      await chunks.return?.()
      // A generator that was never asked for anything closes nothing by itself.
      if (body.type === 'file') await body.close()
    },
  })
}
