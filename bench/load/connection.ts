import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type ResponseHead, responseParser } from './response-parser.ts'

/** Where a server listens. */
export interface Address {
  host: string
  port: number
}

/** The body of a request: pieces that are written one after the other, and their length together. */
export interface RequestBody {
  pieces: Iterable<readonly Buffer[]>
  length: number
  /** Each piece becomes a chunk; `length` is not sent. */
  chunked?: boolean
}

/** A request, as far as registries need it. */
export interface LoadRequest {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  path: string
  /** Further lines, each ending in CRLF. */
  headers?: string
  body?: RequestBody
  /** Sees the answer's body as it comes; the bytes are only valid during the call. */
  onBody?: (bytes: Buffer) => void
}

/** An answer that came whole. */
export interface LoadAnswer extends ResponseHead {
  /** Of the body, as it was counted. */
  bytes: number
  /** What `Content-Length` said; undefined for chunks. */
  length: number | undefined
  /** The first of the body's bytes, for messages. */
  start: string
}

/** A connection that is kept and reused, with one request at a time. */
export interface Connection {
  /** Rejects if the connection breaks before the answer is whole; it is then of no more use. */
  send(request: LoadRequest): Promise<LoadAnswer>
  readonly isOpen: boolean
  close(): void
}

/** How a connection reads. */
export interface ReadPace {
  /** Bytes a second that it takes off the socket, at most. */
  bytesPerSecond: number
}

const READ_BYTES = 256 * 1024
const SLOW_READ_BYTES = 64 * 1024
const START_BYTES = 200
/** One for all: what a socket reads is dealt with before the next one reads. */
const shared = Buffer.allocUnsafeSlow(READ_BYTES)

/** Connects to a server, without any delay for small writes. */
export async function openConnection(address: Address, pace?: ReadPace): Promise<Connection> {
  let waiting: ({ answer: LoadAnswer; request: LoadRequest } & PromiseWithResolvers<LoadAnswer>) | undefined
  const parser = responseParser({
    head(head, length) {
      if (waiting) waiting.answer = { ...head, length, bytes: 0, start: '' }
    },
    body(bytes) {
      if (!waiting) return
      const { answer, request } = waiting
      if (answer.bytes === 0 && answer.status >= 400) answer.start = bytes.toString('latin1', 0, START_BYTES)
      answer.bytes += bytes.length
      request.onBody?.(bytes)
    },
    end() {
      const done = waiting
      // An interim response, such as 100 Continue, is followed by the real one.
      if (done === undefined || done.answer.status < 200) return
      waiting = undefined
      done.resolve(done.answer)
      if (done.answer.closes) socket.destroy()
    },
  })
  const socket: Socket = connect({
    ...address,
    noDelay: true,
    onread: {
      buffer: pace === undefined ? shared : Buffer.allocUnsafeSlow(SLOW_READ_BYTES),
      callback(length, buffer): boolean {
        try {
          parser.push((buffer as Buffer).subarray(0, length))
        } catch (error) {
          socket.destroy(error as Error)
        }
        return pace === undefined || wait(socket, (length / pace.bytesPerSecond) * 1000)
      },
    },
  })
  const fail = (error: Error) => {
    waiting?.reject(error)
    waiting = undefined
  }
  await once(socket, 'connect')
  socket.on('error', fail)
  socket.on('close', () => fail(new Error('the server closed the connection before it answered')))
  return {
    get isOpen() {
      return !socket.destroyed && socket.writable
    },
    close: () => socket.destroy(),
    async send(request) {
      const promise = Promise.withResolvers<LoadAnswer>()
      const answer = { status: 0, location: undefined, closes: false, bytes: 0, length: 0, start: '' }
      waiting = { ...promise, request, answer }
      parser.expect(request.method === 'HEAD')
      if (socket.destroyed) fail(new Error('the connection is closed'))
      const write = writeRequest(socket, address, request).catch(fail)
      const result = await promise.promise
      await write
      return result
    },
  }
}

/** Stops reading for some time. @returns false, which is how a socket is told to stop */
function wait(socket: Socket, milliseconds: number): false {
  setTimeout(() => socket.resume(), milliseconds)
  return false
}

async function writeRequest(socket: Socket, { host, port }: Address, request: LoadRequest): Promise<void> {
  const { method, path, headers = '', body } = request
  const framing = body === undefined ? emptyFraming(method) : framingOf(body)
  const head = `${method} ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\n${headers}${framing}\r\n`
  if (body === undefined) return void socket.write(head, 'latin1')
  socket.cork()
  socket.write(head, 'latin1')
  for (const piece of body.pieces) {
    socket.cork()
    const isFull = writePiece(socket, piece, body.chunked === true)
    // The first cork holds the head back until there is something to send with it.
    while (socket.writableCorked > 0) socket.uncork()
    if (isFull) await drained(socket)
    if (socket.destroyed) return
  }
  if (body.chunked) socket.write('0\r\n\r\n', 'latin1')
  while (socket.writableCorked > 0) socket.uncork()
}

function emptyFraming(method: string): string {
  return method === 'GET' || method === 'HEAD' || method === 'DELETE' ? '' : 'Content-Length: 0\r\n'
}

function framingOf({ chunked, length }: RequestBody): string {
  return chunked ? 'Transfer-Encoding: chunked\r\n' : `Content-Length: ${length}\r\n`
}

/** @returns whether the socket has enough for now */
function writePiece(socket: Socket, buffers: readonly Buffer[], chunked: boolean): boolean {
  const length = buffers.reduce((sum, buffer) => sum + buffer.length, 0)
  if (chunked) socket.write(`${length.toString(16)}\r\n`, 'latin1')
  for (const buffer of buffers) socket.write(buffer)
  if (chunked) socket.write('\r\n', 'latin1')
  return socket.writableNeedDrain
}

async function drained(socket: Socket): Promise<void> {
  if (!socket.writableNeedDrain) return
  await new Promise<void>((resolve) => {
    const go = () => {
      socket.off('drain', go)
      socket.off('close', go)
      resolve()
    }
    socket.once('drain', go)
    socket.once('close', go)
  })
}
