/** The head of a response, as far as a load generator needs it. */
export interface ResponseHead {
  status: number
  /** Path and query of `Location`; undefined if there is none. */
  location: string | undefined
  /** Whether the server ends the connection after this response. */
  closes: boolean
}

/** What a parser tells of the responses that it reads. */
export interface ResponseEvents {
  /** @param length of the body in bytes; undefined if it comes in chunks */
  head(head: ResponseHead, length: number | undefined): void
  /** A piece of the body; only valid during the call. */
  body(bytes: Buffer): void
  end(): void
}

type State = 'head' | 'body' | 'chunk-size' | 'chunk' | 'chunk-end' | 'trailer'

const HEAD_END = '\r\n\r\n'
const LINE_END = '\r\n'
const MAX_HEAD = 16_384
const NOTHING = Buffer.alloc(0)

/** Reads the responses of one connection, in the pieces that it brings. It knows status, `Content-Length`, chunks and `Location`. */
export class ResponseParser {
  readonly #events: ResponseEvents
  /** The begin of a line or a head that is not whole yet. */
  #held = NOTHING
  #state: State = 'head'
  /** Bytes of the body, or of its chunk, that are still to come. */
  #remaining = 0
  #withoutBody = false

  constructor(events: ResponseEvents) {
    this.#events = events
  }

  /** @param withoutBody whether the next response answers HEAD */
  expect(withoutBody: boolean): void {
    this.#withoutBody = withoutBody
  }

  /** @throws Error if this is no HTTP/1.1 */
  push(bytes: Buffer): void {
    let rest: Buffer | undefined = bytes
    if (this.#held.length > 0) {
      rest = Buffer.concat([this.#held, bytes])
      this.#held = NOTHING
    }
    while (rest !== undefined && rest.length > 0) rest = this.#step(rest)
  }

  /** @returns what is left; undefined if more must come first */
  #step(bytes: Buffer): Buffer | undefined {
    if (this.#state === 'body' || this.#state === 'chunk') return this.#takeBody(bytes)
    const mark = this.#state === 'head' ? HEAD_END : LINE_END
    const at = bytes.indexOf(mark, 0, 'latin1')
    if (at < 0) {
      if (bytes.length > MAX_HEAD) throw new Error('the response is no HTTP/1.1')
      this.#held = Buffer.from(bytes)
      return undefined
    }
    this.#takeLine(bytes.toString('latin1', 0, at))
    return bytes.subarray(at + mark.length)
  }

  #takeLine(text: string): void {
    if (this.#state === 'head') this.#takeHead(text)
    else if (this.#state === 'chunk-end') this.#state = 'chunk-size'
    else if (this.#state === 'chunk-size') this.#startChunk(Number.parseInt(text, 16))
    else if (text === '') this.#end()
  }

  #takeHead(text: string): void {
    const head = parseHead(text)
    const isChunked = /\r\ntransfer-encoding: *chunked/i.test(text)
    const length = isChunked ? undefined : Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? 0)
    this.#events.head(head, length)
    const isWhole = this.#withoutBody || length === 0 || head.status === 204 || head.status === 304
    this.#remaining = length ?? 0
    this.#state = length === undefined ? 'chunk-size' : 'body'
    if (isWhole) this.#end()
  }

  #startChunk(length: number): void {
    this.#remaining = length
    this.#state = length === 0 ? 'trailer' : 'chunk'
  }

  #takeBody(bytes: Buffer): Buffer {
    const piece = bytes.length <= this.#remaining ? bytes : bytes.subarray(0, this.#remaining)
    this.#remaining -= piece.length
    this.#events.body(piece)
    if (this.#remaining === 0) {
      if (this.#state === 'body') this.#end()
      else this.#state = 'chunk-end'
    }
    return bytes.subarray(piece.length)
  }

  #end(): void {
    this.#state = 'head'
    this.#events.end()
  }
}

function parseHead(text: string): ResponseHead {
  const status = Number(text.slice(9, 12))
  if (!text.startsWith('HTTP/1.') || !(status >= 100)) throw new Error(`no HTTP/1.1: ${text.slice(0, 80)}`)
  const location = /\r\nlocation: *([^\r]+)/i.exec(text)?.[1]
  return {
    status,
    location: location?.replace(/^https?:\/\/[^/]+/i, ''),
    closes: /\r\nconnection: *close/i.test(text),
  }
}
