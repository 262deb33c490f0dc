import { once } from 'node:events'
import { connect as connectSocket, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

/** A response as its bytes came. */
export interface RawResponse {
  status: number
  /** By lower-case name; several of one name joined by commas. */
  headers: Readonly<Record<string, string>>
  body: Buffer
  /** The codes of the specification in an error body. @throws if the body isn't one */
  codes(): string[]
}

/** A connection on which exactly the given bytes are sent, whether or not they are HTTP. */
export interface RawConnection {
  /** Sends bytes; resolves when the system took them. Rejects when the connection was reset. */
  send(...parts: (string | Uint8Array)[]): Promise<void>
  /** The next response whole, interim ones (1xx) too. Rejects if the connection ends before it does, or nothing comes. */
  response(options?: { toHead?: boolean }): Promise<RawResponse>
  /** All that came so far and that no `response` took, once it matches. */
  received(pattern: RegExp): Promise<Buffer>
  /** How the other side ended the connection, and what it sent that no `response` took. */
  ended(): Promise<{ by: 'end' | 'reset'; rest: Buffer }>
  /** Breaks off without a word. */
  destroy(): void
}

/** The end of a head, and of a chunk's length. */
export const CRLF = '\r\n'

const HANG_MS = 60_000

/** Opens a connection to a server, which goes when the test ends. */
export async function connect(test: Pick<TestContext, 'after'>, url: string): Promise<RawConnection> {
  const { hostname, port } = new URL(url)
  const socket = connectSocket({ host: hostname, port: Number(port), noDelay: true })
  test.after(() => socket.destroy())
  await once(socket, 'connect')
  const received = receive(socket)
  return {
    send: (...parts) => send(socket, joined(parts)),
    response: async ({ toHead = false } = {}) =>
      await received.take((bytes, end) => parse(bytes, end, toHead)),
    received: async (pattern) =>
      await received.take((bytes) =>
        pattern.test(bytes.toString('latin1')) ? { value: bytes, length: bytes.length } : undefined,
      ),
    async ended() {
      const rest = await received.take((bytes, end) =>
        end ? { value: bytes, length: bytes.length } : undefined,
      )
      return { by: received.wasReset() ? 'reset' : 'end', rest }
    },
    destroy: () => socket.destroy(),
  }
}

/** Sends one request on a connection of its own. */
export async function sendRaw(
  test: Pick<TestContext, 'after'>,
  url: string,
  ...parts: (string | Uint8Array)[]
): Promise<RawResponse> {
  const connection = await connect(test, url)
  await connection.send(...parts)
  const response = await connection.response()
  connection.destroy()
  return response
}

/** The head of a request, with a Host unless the headers give one. */
export function head(requestLine: string, ...headers: string[]): string {
  const host = headers.some((header) => /^host:/i.test(header)) ? [] : ['Host: 127.0.0.1']
  return [`${requestLine} HTTP/1.1`, ...host, ...headers, '', ''].join(CRLF)
}

/** A piece of a body whose length nobody told before; an empty one ends the body. */
export function chunk(bytes: Uint8Array | string): Buffer {
  const content = Buffer.from(bytes)
  return Buffer.concat([Buffer.from(content.length.toString(16) + CRLF), content, Buffer.from(CRLF)])
}

/** A whole body whose length nobody told before. */
export function chunkedBody(...pieces: (Uint8Array | string)[]): Buffer {
  return Buffer.concat([...pieces, ''].map(chunk))
}

function joined(parts: (string | Uint8Array)[]): Uint8Array {
  const [first] = parts
  if (parts.length === 1 && typeof first === 'object') return first
  return Buffer.concat(parts.map((part) => Buffer.from(part)))
}

function send(socket: Socket, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(bytes, (error) => (error ? reject(error) : resolve()))
  })
}

type Parser<T> = (bytes: Buffer, ended: boolean) => { value: T; length: number } | undefined

/** Gathers what comes, until a parser finds in it what it looks for. */
function receive(socket: Socket) {
  let bytes: Buffer = Buffer.alloc(0)
  let ended = false
  let reset = false
  let wake = () => {}
  socket.on('data', (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk])
    wake()
  })
  socket.on('error', () => {
    reset = true
  })
  socket.on('close', () => {
    ended = true
    wake()
  })
  return {
    wasReset: () => reset,
    async take<T>(parser: Parser<T>): Promise<T> {
      for (;;) {
        const found = parser(bytes, ended)
        if (found !== undefined) {
          bytes = bytes.subarray(found.length)
          return found.value
        }
        if (ended) {
          const how = reset ? 'was reset' : 'ended'
          throw new Error(`the connection ${how} before an answer was whole: ${bytes.toString('latin1')}`)
        }
        await changed((resolve) => {
          wake = resolve
        })
      }
    },
  }
}

function changed(listen: (resolve: () => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the server sent nothing for a minute')), HANG_MS)
    listen(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}

function parse(
  bytes: Buffer,
  ended: boolean,
  toHead: boolean,
): { value: RawResponse; length: number } | undefined {
  const headEnd = bytes.indexOf(CRLF + CRLF)
  if (headEnd === -1) return undefined
  const [statusLine = '', ...lines] = bytes.toString('latin1', 0, headEnd).split(CRLF)
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1])
  if (Number.isNaN(status)) throw new Error(`not a response: ${statusLine}`)
  const headers = headersOf(lines)
  const start = headEnd + 4
  const length = bodyLength(status, headers, toHead)
  if (length === undefined ? !ended : bytes.length < start + length) return undefined
  const body = bytes.subarray(start, length === undefined ? bytes.length : start + length)
  return { value: { status, headers, body, codes: () => codesOf(body) }, length: start + body.length }
}

function headersOf(lines: string[]): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`
  }
  return headers
}

/** Undefined where the body goes on to the end of the connection. */
function bodyLength(status: number, headers: Record<string, string>, toHead: boolean): number | undefined {
  if (toHead || status < 200 || status === 204 || status === 304) return 0
  if (headers['transfer-encoding'] !== undefined) throw new Error('every answer must have its length')
  return headers['content-length'] === undefined ? undefined : Number(headers['content-length'])
}

function codesOf(body: Buffer): string[] {
  const { errors } = JSON.parse(body.toString()) as { errors: { code: string }[] }
  return errors.map((error) => error.code)
}
