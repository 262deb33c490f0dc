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

/** Reads responses in the pieces that a connection brings them. */
export interface ResponseParser {
  /** @param withoutBody whether the next response answers HEAD */
  expect(withoutBody: boolean): void
  /** @throws Error if this is no HTTP/1.1 */
  push(bytes: Buffer): void
}

const HEAD_END = '\r\n\r\n'
const MAX_HEAD = 16_384

/** Makes a parser of one connection. It knows status, `Content-Length`, chunks and `Location`, and nothing else. */
export function responseParser(events: ResponseEvents): ResponseParser {
  let held = Buffer.alloc(0)
  let state: 'head' | 'body' | 'chunk-size' | 'chunk' | 'chunk-end' | 'trailer' = 'head'
  let remaining = 0
  let withoutBody = false

  const end = () => {
    state = 'head'
    events.end()
  }

  const endChunk = () => {
    state = 'chunk-end'
  }

  const startBody = (text: string) => {
    const head = parseHead(text)
    const chunked = /\r\ntransfer-encoding: *chunked/i.test(text)
    const length = chunked ? undefined : Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? 0)
    events.head(head, length)
    if (withoutBody || length === 0 || head.status === 204 || head.status === 304) return end()
    remaining = length ?? 0
    state = length === undefined ? 'chunk-size' : 'body'
  }

  /** Takes a line that ends in `mark` off the bytes; undefined until it is whole. */
  const line = (bytes: Buffer, mark: string): { text: string; rest: Buffer } | undefined => {
    const at = bytes.indexOf(mark, 0, 'latin1')
    if (at >= 0) return { text: bytes.toString('latin1', 0, at), rest: bytes.subarray(at + mark.length) }
    if (bytes.length > MAX_HEAD) throw new Error('the response is no HTTP/1.1')
    held = Buffer.from(bytes)
    return undefined
  }

  const bodyPiece = (bytes: Buffer, done: () => void): Buffer => {
    const piece = bytes.length <= remaining ? bytes : bytes.subarray(0, remaining)
    remaining -= piece.length
    events.body(piece)
    if (remaining === 0) done()
    return bytes.subarray(piece.length)
  }

  const step = (bytes: Buffer): Buffer | undefined => {
    if (state === 'body') return bodyPiece(bytes, end)
    if (state === 'chunk') return bodyPiece(bytes, endChunk)
    const found = line(bytes, state === 'head' ? HEAD_END : '\r\n')
    if (found === undefined) return undefined
    if (state === 'head') startBody(found.text)
    else if (state === 'chunk-end') state = 'chunk-size'
    else if (state === 'trailer') found.text === '' && end()
    else {
      remaining = Number.parseInt(found.text, 16)
      state = remaining === 0 ? 'trailer' : 'chunk'
    }
    return found.rest
  }

  return {
    expect(without) {
      withoutBody = without
    },
    push(bytes) {
      let rest: Buffer | undefined = held.length > 0 ? Buffer.concat([held, bytes]) : bytes
      if (held.length > 0) held = Buffer.alloc(0)
      while (rest !== undefined && rest.length > 0) rest = step(rest)
    },
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
