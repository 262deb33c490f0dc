import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { HttpRequest } from './message.ts'
import type { ProgressWatch } from './progress.ts'
import type { RequestBody } from './request-body.ts'
import type { Connection, HeaderReader, OriginReader, RequestOrigin } from './request-origin.ts'
import { isUnixConnection } from './unix-connection.ts'

/** What the parts of a request are read from. */
export interface NodeRequestParts {
  incoming: IncomingMessage
  response: ServerResponse
  /** Absent if the request has none. */
  body: RequestBody | undefined
  chunks: RequestChunks
  readOrigin: OriginReader
  /** Aborted when the server is closing. */
  ending: AbortSignal
}

/** A proxy may send the absolute form, which then contains the host. RFC 9112, section 3.2.2 */
const ABSOLUTE_FORM = /^https?:\/\/([^/?]*)/i

/**
 * A request of Node's server. Parts that most requests do not need are made on first use. This is a class because each object literal with
 * getters would have a hidden class of its own, which V8 keeps until the next full collection, together with the request.
 */
export class NodeRequest implements HttpRequest {
  readonly method: string
  readonly path: string
  operation: string | undefined
  readonly #parts: NodeRequestParts
  readonly #queryText: string
  /** The host and port of the absolute form. */
  readonly #authority: string | undefined
  #query: URLSearchParams | undefined
  #origin: RequestOrigin | undefined
  #signal: AbortSignal | undefined

  constructor(parts: NodeRequestParts) {
    const { method = 'GET', url = '/' } = parts.incoming
    const absolute = url.startsWith('/') ? null : ABSOLUTE_FORM.exec(url)
    const target = absolute === null ? url : url.slice(absolute[0].length)
    const mark = target.indexOf('?')
    const path = mark === -1 ? target : target.slice(0, mark)
    this.method = method
    this.path = path === '' ? '/' : path
    this.#parts = parts
    this.#queryText = mark === -1 ? '' : target.slice(mark + 1)
    this.#authority = absolute?.[1]
  }

  get query(): URLSearchParams {
    this.#query ??= new URLSearchParams(this.#queryText)
    return this.#query
  }

  header(name: string): string | undefined {
    if (name === 'host' && this.#authority !== undefined)
      return this.#authority.slice(this.#authority.lastIndexOf('@') + 1)
    return headerOf(this.#parts.incoming, name)
  }

  get origin(): RequestOrigin {
    const { readOrigin, incoming } = this.#parts
    this.#origin ??= originOf(incoming, readOrigin, (name) => this.header(name))
    return this.#origin
  }

  get signal(): AbortSignal {
    this.#signal ??= AbortSignal.any([this.#parts.ending, goneSignal(this.#parts.response)])
    return this.#signal
  }

  get body(): AsyncIterable<Uint8Array> {
    return this.#parts.chunks
  }

  keepBody(): void {
    this.#parts.body?.keepWhole()
  }
}

function headerOf({ headers }: IncomingMessage, name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}

/** Determines where a request came from. @param header reads its headers */
export function originOf(
  incoming: IncomingMessage,
  readOrigin: OriginReader,
  header: HeaderReader = (name) => headerOf(incoming, name),
): RequestOrigin {
  return readOrigin(connectionOf(incoming.socket), header)
}

/** The connection that requests come over, for an {@link OriginReader}. */
export function connectionOf(socket: Socket): Connection {
  return {
    peer: isUnixConnection(socket) ? 'unix' : socket.remoteAddress,
    isEncrypted: 'encrypted' in socket,
  }
}

function goneSignal(response: ServerResponse): AbortSignal {
  if (response.destroyed) return AbortSignal.abort()
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  return gone.signal
}

/** The body of a request. It can be read once. */
export class RequestChunks implements AsyncIterable<Uint8Array> {
  readonly #body: RequestBody | undefined
  readonly #watch: ProgressWatch
  readonly #askToContinue: () => void
  #chunks: AsyncGenerator<Uint8Array> | undefined
  #isCancelled = false
  #isWanted = false

  /**
   * @param watch cuts a client that sends almost nothing while the server waits for it
   * @param askToContinue tells a client that waits for permission to send the body; called when the first byte is needed
   */
  constructor(body: RequestBody | undefined, watch: ProgressWatch, askToContinue: () => void) {
    this.#body = body
    this.#watch = watch
    this.#askToContinue = askToContinue
  }

  /** Whether reading has begun. */
  get isWanted(): boolean {
    return this.#isWanted
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    this.#chunks ??= this.#isCancelled ? none() : this.#read()
    return this.#chunks
  }

  /** Ends the reading, even if the reader has stopped in the middle and still holds the stream. */
  cancel(): void {
    this.#isCancelled = true
    void this.#chunks?.return(undefined)
  }

  #read(): AsyncGenerator<Uint8Array> {
    const body = this.#body
    return body === undefined ? none(() => this.#start()) : body.chunks(() => this.#start(), this.#watch)
  }

  #start(): void {
    this.#isWanted = true
    this.#askToContinue()
  }
}

/** A body without bytes. */
async function* none(start = () => {}): AsyncGenerator<Uint8Array> {
  start()
}
