import { chunksOf, closeBytes } from '../registry/stored-bytes.ts'
import type { HttpApp, HttpBody, HttpRequest } from './message.ts'
import { type OriginReader, originReader, type RequestOrigin } from './request-origin.ts'
import { gatherPieces } from './small-pieces.ts'

/**
 * Mounts an app in any host program that uses the web's `Request` and `Response`; also for tests without a port.
 *
 * @param readOrigin determines the origin of a request; the host program does not tell the address of its client, so no proxy is trusted
 */
export function toFetch(
  app: HttpApp,
  readOrigin: OriginReader = originReader(),
): (request: Request) => Promise<Response> {
  return async (request) => {
    const gone = new AbortController()
    const signal = AbortSignal.any([request.signal, gone.signal])
    const { status, headers, body } = await app(new FetchRequest(request, readOrigin, signal))
    const stream = body === undefined ? null : toStream(body, () => gone.abort())
    return new Response(stream, { status, headers })
  }
}

/** A request made from the platform's `Request`. */
class FetchRequest implements HttpRequest {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly signal: AbortSignal
  readonly body: AsyncIterable<Uint8Array>
  operation: string | undefined
  readonly #request: Request
  readonly #url: URL
  readonly #readOrigin: OriginReader
  #origin: RequestOrigin | undefined

  constructor(request: Request, readOrigin: OriginReader, signal: AbortSignal) {
    const url = new URL(request.url)
    this.method = request.method
    this.path = url.pathname
    this.query = url.searchParams
    this.signal = signal
    this.body = request.body === null ? noBytes() : gatherPieces(request.body)
    this.#request = request
    this.#url = url
    this.#readOrigin = readOrigin
  }

  header(name: string): string | undefined {
    return this.#request.headers.get(name) ?? undefined
  }

  get origin(): RequestOrigin {
    const { protocol, host } = this.#url
    // A Request has its host in the URL, and usually no such header.
    this.#origin ??= this.#readOrigin({ peer: undefined, isEncrypted: protocol === 'https:' }, (name) =>
      name === 'host' ? (this.header(name) ?? host) : this.header(name),
    )
    return this.#origin
  }
}

async function* noBytes(): AsyncGenerator<Uint8Array> {}

function toStream(body: HttpBody, onCancel: () => void): ReadableStream<Uint8Array> {
  const chunks = chunksOf(body)
  return new ReadableStream({
    async pull(controller) {
      const next = await chunks.next()
      if (next.done) controller.close()
      else controller.enqueue(next.value)
    },
    async cancel() {
      onCancel()
      // A stream may be waiting for its next bytes. A generator that was never started does not run its cleanup.
      if (body.type === 'stream') await closeBytes(body)
      await chunks.return(undefined)
      await closeBytes(body)
    },
  })
}
