import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { ErrorId } from '../oci/error.ts'
import type { Refuse } from './refusal.ts'

const ERROR_IDS: Readonly<Record<string, ErrorId>> = {
  HPE_HEADER_OVERFLOW: 'HEADERS_TOO_LARGE',
  ERR_HTTP_REQUEST_TIMEOUT: 'REQUEST_TIMEOUT',
}

/** How Node's parser reports codings that it does not know. It reports other faults in the same header with the same code. */
const UNKNOWN_CODING = /^(?:Request has invalid|Invalid) `Transfer-Encoding`/

/** No client in use pipelines at all. Node keeps many times the length of a request for each one that waits. */
const MAX_WAITING = 128

/** One request and its answer. */
class Turn {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  #isOver = false
  readonly #onOver: (() => void)[] = []

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.request = request
    this.response = response
  }

  /** Calls a function once the answer is sent or the connection is gone. */
  whenOver(callback: () => void): void {
    if (this.#isOver) callback()
    else this.#onOver.push(callback)
  }

  finish(): void {
    this.#isOver = true
    for (const callback of this.#onOver) callback()
  }
}

/** The state of a connection. */
interface ConnectionState {
  /** The newest request that was accepted and is not answered yet. */
  last: Turn | undefined
  /** How many requests were accepted and are not answered. */
  unanswered: number
  /** Whether the connection ends with the newest request that was accepted. */
  end: ConnectionEnd | undefined
}

/** Whether a connection ends after a request. */
export interface ConnectionEnd {
  isHere: boolean
}

/**
 * The connections of a server. The requests of each connection are answered one after the other: a pipelined read sees the effect of the
 * write before it, and a client that pipelines holds only the resources of one answer. RFC 9112, section 9.3.2.
 */
export class ConnectionTurns {
  readonly #states = new Map<Socket, ConnectionState>()
  readonly #lastRequests = new WeakSet<IncomingMessage>()
  readonly #refuse: Refuse

  /** @param refuse answers input that isn't HTTP */
  constructor(refuse: Refuse) {
    this.#refuse = refuse
  }

  /** Adds a connection that can carry HTTP from now on. Further calls do nothing. */
  add(socket: Socket): void {
    if (this.#states.has(socket)) return
    this.#states.set(socket, { last: undefined, unanswered: 0, end: undefined })
    socket.once('close', () => this.#states.delete(socket))
  }

  /** Ends the connections on which no request is being answered. */
  endIdle(): void {
    for (const [socket, { last }] of this.#states) {
      if (last === undefined) socket.destroy()
    }
  }

  /** Makes a request that was not accepted yet the last one of its connection. */
  markLast(request: IncomingMessage): void {
    this.#lastRequests.add(request)
  }

  /** Resolves once all requests that were accepted so far on a connection are answered. */
  async idle(socket: Socket): Promise<void> {
    const last = this.#states.get(socket)?.last
    if (last !== undefined) await new Promise<void>((resolve) => last.whenOver(resolve))
  }

  /**
   * Handles a request once the one before it on its connection is answered. Never handles it if the connection is gone by then, or ends
   * after an earlier request.
   *
   * @param work receives whether the connection ends after this request, and can decide that it does: for answers with `Connection: close`,
   * since the bytes that follow may be the rest of a body. RFC 9112, section 9.6
   */
  take(request: IncomingMessage, response: ServerResponse, work: (end: ConnectionEnd) => void): void {
    const { socket } = request
    const state = this.#states.get(socket)
    if (state === undefined) return
    if (state.unanswered === MAX_WAITING) return void socket.destroy()
    state.unanswered++
    const before = state.last
    const turn = new Turn(request, response)
    state.last = turn
    response.on('close', () => {
      state.unanswered--
      if (state.last === turn) state.last = undefined
      turn.finish()
    })
    const endBefore = state.end
    const end = { isHere: this.#lastRequests.has(request) }
    state.end = end
    const begin = () => {
      if (socket.destroyed) return
      // All requests after a skipped one are skipped too.
      if (endBefore?.isHere === true) end.isHere = true
      else work(end)
    }
    if (before === undefined) begin()
    else beginAfter(before, { socket, state, begin })
  }

  /**
   * Answers input that isn't HTTP and ends the connection, after the pending answers and never in the middle of one of them.
   */
  refuse(error: NodeJS.ErrnoException, socket: Socket): void {
    // A TLS handshake failed or took too long. Nothing can be written before it has finished, so a graceful end would wait forever.
    const state = this.#states.get(socket)
    if (state === undefined) return void socket.destroy(error)
    const { last } = state
    if (!socket.writable) return void socket.destroy(error)
    const id = refusalOf(error)
    if (last?.request.complete) return void last.whenOver(() => this.#refuse(id, socket))
    // Otherwise the body of the last request is broken, so this is the answer to that request.
    const hasBegun = last !== undefined && (last.response.headersSent || last.response.socket === null)
    if (hasBegun) socket.destroy(error)
    else this.#refuse(id, socket)
  }
}

/** Begins a request once the one before it is answered. */
function beginAfter(
  before: Turn,
  { socket, state, begin }: { socket: Socket; state: ConnectionState; begin(): void },
): void {
  let isWaiting = true
  // No more is read in the meantime, so that waiting requests are bounded in bytes too. Node resumes the connection at the end of each
  // request.
  setImmediate(() => {
    if (isWaiting) socket.pause()
  })
  before.whenOver(() => {
    // Earlier waiters for the same answer continue first, in their order.
    queueMicrotask(() => {
      isWaiting = false
      if (state.unanswered === 1) socket.resume()
      begin()
    })
  })
}

function refusalOf(error: NodeJS.ErrnoException & { reason?: string }): ErrorId {
  if (UNKNOWN_CODING.test(error.reason ?? '')) return 'TRANSFER_CODING_UNSUPPORTED'
  return ERROR_IDS[error.code ?? ''] ?? 'REQUEST_INVALID'
}
