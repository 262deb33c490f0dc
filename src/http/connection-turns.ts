import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { type ErrorId, RegistryError } from '../oci/error.ts'
import { errorResponse } from './respond.ts'

const ERROR_IDS: Readonly<Record<string, ErrorId>> = {
  HPE_HEADER_OVERFLOW: 'HEADERS_TOO_LARGE',
  ERR_HTTP_REQUEST_TIMEOUT: 'REQUEST_TIMEOUT',
}

const REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
}

/** No client in use pipelines at all; what Node keeps for requests that wait grows faster than their number. */
const MAX_WAITING = 1000

interface Turn {
  request: IncomingMessage
  response: ServerResponse
  closed: Promise<void>
}

/**
 * The connections of a server, and the requests of each, one after the other: a pipelined read sees what the write before it did, and a client that pipelines
 * holds no more than one answer's resources. RFC 9112, section 9.3.2.
 */
export class ConnectionTurns {
  readonly #last = new WeakMap<Socket, Turn>()
  readonly #waiting = new WeakMap<Socket, number>()
  readonly #sockets = new Set<Socket>()

  /** Takes a connection that was accepted. */
  add(socket: Socket): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
  }

  /** Ends the connections on which no request is being answered. */
  endIdle(): void {
    for (const socket of this.#sockets) {
      if (!this.#last.has(socket)) socket.destroy()
    }
  }

  /** Works on a request once the one before it on its connection is answered; never if the connection is gone by then. */
  take(request: IncomingMessage, response: ServerResponse, work: () => Promise<void>): void {
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
    if (before === undefined) void work()
    else void before.closed.then(() => (socket.destroyed ? undefined : work()))
  }

  /**
   * Answers what isn't HTTP and ends the connection: behind the answers that are still owed, and never inside of one.
   */
  refuse(error: NodeJS.ErrnoException, socket: Socket): void {
    const last = this.#last.get(socket)
    if (!socket.writable) return void socket.destroy(error)
    if (last?.request.complete) return void last.closed.then(() => writeRefusal(error, socket))
    // Else the body of the last request is what is broken, so its own answer is this one.
    const hasBegun = last !== undefined && (last.response.headersSent || last.response.socket === null)
    if (hasBegun) socket.destroy(error)
    else writeRefusal(error, socket)
  }
}

function writeRefusal(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable) return
  const id = ERROR_IDS[error.code ?? ''] ?? 'REQUEST_INVALID'
  const { status, headers, body } = errorResponse(new RegistryError(id))
  const lines = Object.entries({ ...headers, Connection: 'close' }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  )
  socket.write(`HTTP/1.1 ${status} ${REASONS[status]}\r\n${lines.join('')}\r\n`)
  if (body?.type === 'bytes') socket.write(body.bytes)
  socket.destroySoon()
}
