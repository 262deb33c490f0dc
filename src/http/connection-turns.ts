import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { type ErrorId, RegistryError } from '../oci/error.ts'
import { errorResponse } from './respond.ts'

const ERROR_IDS: Readonly<Record<string, ErrorId>> = {
  HPE_HEADER_OVERFLOW: 'HEADERS_TOO_LARGE',
  ERR_HTTP_REQUEST_TIMEOUT: 'REQUEST_TIMEOUT',
}

/** How Node's parser tells of codings that it does not know; of other faults in the same header it tells with the same code. */
const UNKNOWN_CODING = /^(?:Request has invalid|Invalid) `Transfer-Encoding`/

/** No client in use pipelines at all; what Node keeps for each request that waits is many times its length. */
const MAX_WAITING = 128
/** How long a connection that is to end may take for its last answer. */
const MAX_FAREWELL_MS = 60_000

interface Turn {
  request: IncomingMessage
  response: ServerResponse
  closed: Promise<void>
}

/** Whether a connection ends with a request. */
export interface ConnectionEnd {
  isHere: boolean
}

/**
 * The connections of a server, and the requests of each, one after the other: a pipelined read sees what the write before it did, and a client that pipelines
 * holds no more than one answer's resources. RFC 9112, section 9.3.2.
 */
export class ConnectionTurns {
  readonly #last = new WeakMap<Socket, Turn>()
  readonly #waiting = new WeakMap<Socket, number>()
  readonly #lastRequests = new WeakSet<IncomingMessage>()
  /** Whether a connection ends with the newest request that was taken. */
  readonly #ends = new WeakMap<Socket, ConnectionEnd>()
  readonly #sockets = new Set<Socket>()

  /** Takes a connection that can carry HTTP from now on. Again does nothing. */
  add(socket: Socket): void {
    if (this.#sockets.has(socket)) return
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
  }

  /** Ends the connections on which no request is being answered. */
  endIdle(): void {
    for (const socket of this.#sockets) {
      if (!this.#last.has(socket)) socket.destroy()
    }
  }

  /** Makes a request that was not taken yet the last one of its connection. */
  markLast(request: IncomingMessage): void {
    this.#lastRequests.add(request)
  }

  /** Resolves once all requests that were taken so far on a connection are answered. */
  async idle(socket: Socket): Promise<void> {
    await this.#last.get(socket)?.closed
  }

  /**
   * Works on a request once the one before it on its connection is answered; never if the connection is gone by then, or ends with
   * an earlier request.
   *
   * @param work gets whether the connection ends with this request, and can decide that it does: for answers with `Connection: close`,
   *   since what follows them may be the rest of a body. RFC 9112, section 9.6
   */
  take(
    request: IncomingMessage,
    response: ServerResponse,
    work: (end: ConnectionEnd) => Promise<void>,
  ): void {
    const { socket } = request
    const waiting = (this.#waiting.get(socket) ?? 0) + 1
    if (waiting > MAX_WAITING) return void socket.destroy()
    this.#waiting.set(socket, waiting)
    const before = this.#last.get(socket)
    const closed = new Promise<void>((resolve) => {
      response.once('close', resolve)
    })
    const turn = { request, response, closed }
    this.#last.set(socket, turn)
    response.once('close', () => {
      this.#waiting.set(socket, (this.#waiting.get(socket) ?? 1) - 1)
      if (this.#last.get(socket) === turn) this.#last.delete(socket)
    })
    const go = this.#following(request, work)
    if (before === undefined) return void go()
    let isWaiting = true
    // No more is read meanwhile, so that what waits is bounded in bytes too. Node resumes the connection at the end of each request.
    setImmediate(() => {
      if (isWaiting) socket.pause()
    })
    void before.closed.then(() => {
      isWaiting = false
      if (this.#waiting.get(socket) === 1) socket.resume()
      go()
    })
  }

  #following(request: IncomingMessage, work: (end: ConnectionEnd) => Promise<void>): () => void {
    const { socket } = request
    const before = this.#ends.get(socket)
    const end = { isHere: this.#lastRequests.has(request) }
    this.#ends.set(socket, end)
    return () => {
      if (socket.destroyed) return
      // What follows a request that is passed over is passed over too.
      if (before?.isHere === true) end.isHere = true
      else void work(end)
    }
  }

  /**
   * Answers what isn't HTTP and ends the connection: after the answers that are still owed, and never inside one of them.
   */
  refuse(error: NodeJS.ErrnoException, socket: Socket): void {
    // A TLS handshake that fails or takes too long; nothing can be written before it is done, so a graceful end would wait forever.
    if (!this.#sockets.has(socket)) return void socket.destroy(error)
    const last = this.#last.get(socket)
    if (!socket.writable) return void socket.destroy(error)
    const id = refusalOf(error)
    if (last?.request.complete) return void last.closed.then(() => writeRefusal(id, socket))
    // Else the body of the last request is what is broken, so its own answer is this one.
    const hasBegun = last !== undefined && (last.response.headersSent || last.response.socket === null)
    if (hasBegun) socket.destroy(error)
    else writeRefusal(id, socket)
  }
}

function refusalOf(error: NodeJS.ErrnoException & { reason?: string }): ErrorId {
  if (UNKNOWN_CODING.test(error.reason ?? '')) return 'TRANSFER_CODING_UNSUPPORTED'
  return ERROR_IDS[error.code ?? ''] ?? 'REQUEST_INVALID'
}

/** Writes an error answer to a connection of which no request can be made, and ends it. */
export function writeRefusal(refusal: ErrorId | RegistryError, socket: Socket): void {
  if (!socket.writable) return
  const { status, headers, body } = errorResponse(
    refusal instanceof RegistryError ? refusal : new RegistryError(refusal),
  )
  const lines = Object.entries({ ...headers, Connection: 'close' }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  )
  socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n`)
  if (body?.type === 'bytes') socket.write(body.bytes)
  socket.setTimeout(MAX_FAREWELL_MS, () => socket.destroy())
  socket.destroySoon()
}
