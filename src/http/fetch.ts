import { readChunks } from './content.ts'
import type { HttpApp, HttpBody, HttpRequest } from './message.ts'

/** Mounts an app in any host that speaks the web's own `Request` and `Response`; also for tests without a port. */
export function toFetch(app: HttpApp): (request: Request) => Promise<Response> {
  return async (request) => {
    const gone = new AbortController()
    const signal = AbortSignal.any([request.signal, gone.signal])
    const { status, headers, body } = await app(toHttpRequest(request, signal))
    const stream = body === undefined ? null : toStream(body, () => gone.abort())
    return new Response(stream, { status, headers })
  }
}

function toHttpRequest(request: Request, signal: AbortSignal): HttpRequest {
  const url = new URL(request.url)
  return {
    method: request.method,
    path: url.pathname,
    query: url.searchParams,
    header: (name) => request.headers.get(name) ?? undefined,
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
