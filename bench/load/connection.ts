import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type ResponseHead, ResponseParser } from './response-parser.ts'

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

interface Waiting extends PromiseWithResolvers<LoadAnswer> {
  request: LoadRequest
  answer: LoadAnswer
}

/** A connection that is kept and reused, with one request at a time and no delay for small writes. */
export class Connection {
  readonly #address: Address
  readonly #pace: ReadPace | undefined
  readonly #socket: Socket
  readonly #parser: ResponseParser
  #waiting: Waiting | undefined

  private constructor(address: Address, pace: ReadPace | undefined) {
    this.#address = address
    this.#pace = pace
    this.#parser = new ResponseParser({
      head: (head, length) => {
        if (this.#waiting) this.#waiting.answer = { ...head, length, bytes: 0, start: '' }
      },
      body: (bytes) => this.#takeBody(bytes),
      end: () => this.#end(),
    })
    const buffer = pace === undefined ? shared : Buffer.allocUnsafeSlow(SLOW_READ_BYTES)
    const callback = (length: number) => this.#read(buffer.subarray(0, length))
    this.#socket = connect({ ...address, noDelay: true, onread: { buffer, callback } })
  }

  /** Connects to a server; what it sends is read as fast as it comes, unless a pace is given. */
  static async open(address: Address, pace?: ReadPace): Promise<Connection> {
    const connection = new Connection(address, pace)
    const socket = connection.#socket
    await once(socket, 'connect')
    socket.on('error', (error) => connection.#fail(error))
    socket.on('close', () =>
      connection.#fail(new Error('the server closed the connection before it answered')),
    )
    return connection
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed && this.#socket.writable
  }

  close(): void {
    this.#socket.destroy()
  }

  /** Rejects if the connection breaks before the answer is whole; it is then of no more use. */
  async send(request: LoadRequest): Promise<LoadAnswer> {
    const promise = Promise.withResolvers<LoadAnswer>()
    const answer = { status: 0, location: undefined, closes: false, bytes: 0, length: 0, start: '' }
    this.#waiting = { ...promise, request, answer }
    this.#parser.expect(request.method === 'HEAD')
    if (this.#socket.destroyed) this.#fail(new Error('the connection is closed'))
    const written = writeRequest(this.#socket, this.#address, request)
    written?.catch((error: Error) => this.#fail(error))
    const result = await promise.promise
    // Who refuses may not want the rest of the body, and then it can't be told what the server still reads.
    if (written !== undefined && result.status >= 400) this.close()
    await written
    return result
  }

  /** @returns whether to go on reading at once */
  #read(bytes: Buffer): boolean {
    try {
      this.#parser.push(bytes)
    } catch (error) {
      this.#socket.destroy(error as Error)
    }
    if (this.#pace === undefined) return true
    setTimeout(() => this.#socket.resume(), (bytes.length / this.#pace.bytesPerSecond) * 1000)
    return false
  }

  #takeBody(bytes: Buffer): void {
    if (this.#waiting === undefined) return
    const { answer, request } = this.#waiting
    if (answer.bytes === 0 && answer.status >= 400) answer.start = bytes.toString('latin1', 0, START_BYTES)
    answer.bytes += bytes.length
    request.onBody?.(bytes)
  }

  #end(): void {
    const done = this.#waiting
    // An interim response, such as 100 Continue, is followed by the real one.
    if (done === undefined || done.answer.status < 200) return
    this.#waiting = undefined
    done.resolve(done.answer)
    if (done.answer.closes) this.#socket.destroy()
  }

  #fail(error: Error): void {
    this.#waiting?.reject(error)
    this.#waiting = undefined
  }
}

/** @returns when a body is written; undefined if there is none */
function writeRequest(
  socket: Socket,
  { host, port }: Address,
  request: LoadRequest,
): Promise<void> | undefined {
  const { method, path, headers = '', body } = request
  const framing = body === undefined ? emptyFraming(method) : framingOf(body)
  const head = `${method} ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\n${headers}${framing}\r\n`
  if (body !== undefined) return writeBody(socket, head, body)
  socket.write(head, 'latin1')
  return undefined
}

async function writeBody(socket: Socket, head: string, body: RequestBody): Promise<void> {
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
