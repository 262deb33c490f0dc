import { randomBytes } from 'node:crypto'
import type { ContentAnswer } from '../api/answer.ts'
import { allowsRange, isNotModified, requireMatch } from '../api/precondition.ts'
import { RegistryError } from '../oci/error.ts'
import { type ByteRange, parseRange } from '../oci/range.ts'
import type { BlobBytes } from '../registry/registry.ts'
import type { HttpRequest, HttpResponse } from './message.ts'
import { emptyResponse, errorResponse } from './respond.ts'

const CHUNK_SIZE = 1024 * 1024

/**
 * Answers GET and HEAD of content: conditional, whole, one range or several. @see RFC 9110, sections 13 and 14
 */
export async function contentResponse(request: HttpRequest, content: ContentAnswer): Promise<HttpResponse> {
  requireMatch(request, content.digest)
  const headers = contentHeaders(content)
  if (isNotModified(request, content.digest)) return emptyResponse(304, headers)
  const whole = { 'Content-Type': content.mediaType, 'Content-Length': String(content.size), ...headers }
  if (request.method === 'HEAD') return { status: 200, headers: whole }

  const ranges = wantedRanges(request, content)
  if (ranges === undefined) return { status: 200, headers: whole, ...(await wholeBody(content)) }
  if (ranges.length === 0) return unsatisfiable(content)
  const [first] = ranges
  return first !== undefined && ranges.length === 1
    ? await singleRange(content, first, headers)
    : severalRanges(content, ranges, headers)
}

function contentHeaders({ digest, cacheControl }: ContentAnswer): Record<string, string> {
  return {
    'Docker-Content-Digest': digest,
    ETag: `"${digest}"`,
    'Accept-Ranges': 'bytes',
    'Cache-Control': cacheControl,
    // A manifest keeps the media type that it was pushed with: a browser must never run it as a page of this registry.
    'Content-Security-Policy': "default-src 'none'; sandbox",
  }
}

async function wholeBody({ size, open }: ContentAnswer): Promise<{ body?: BlobBytes }> {
  return size === 0 ? {} : { body: await open({ start: 0, end: size - 1 }) }
}

function wantedRanges(request: HttpRequest, { size, digest }: ContentAnswer): ByteRange[] | undefined {
  const header = request.header('range')
  if (header === undefined || !allowsRange(request, digest)) return undefined
  return parseRange(header, size)
}

function unsatisfiable({ size }: ContentAnswer): HttpResponse {
  const message = `the requested range is outside the ${size} bytes of this content`
  return errorResponse(new RegistryError('RANGE_UNSATISFIABLE', { message }), {
    'Content-Range': `bytes */${size}`,
  })
}

async function singleRange(
  content: ContentAnswer,
  range: ByteRange,
  headers: Record<string, string>,
): Promise<HttpResponse> {
  return {
    status: 206,
    headers: {
      'Content-Type': content.mediaType,
      'Content-Length': String(lengthOf(range)),
      'Content-Range': formatContentRange(range, content.size),
      ...headers,
    },
    body: await content.open(range),
  }
}

function lengthOf(range: ByteRange): number {
  return range.end - range.start + 1
}

function formatContentRange({ start, end }: ByteRange, size: number): string {
  return `bytes ${start}-${end}/${size}`
}

/** As many parts as were asked for, in their order: clients that pull parts of layers count them. */
function severalRanges(
  content: ContentAnswer,
  ranges: ByteRange[],
  headers: Record<string, string>,
): HttpResponse {
  const boundary = randomBytes(16).toString('hex')
  const heads = ranges.map((range) =>
    Buffer.from(
      `\r\n--${boundary}\r\nContent-Type: ${content.mediaType}\r\n` +
        `Content-Range: ${formatContentRange(range, content.size)}\r\n\r\n`,
    ),
  )
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`)
  const length = ranges.reduce(
    (sum, range, index) => sum + lengthOf(range) + (heads[index]?.length ?? 0),
    tail.length,
  )
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (const [index, range] of ranges.entries()) {
      yield heads[index] as Uint8Array
      yield* readChunks(await content.open(range))
    }
    yield tail
  }
  return {
    status: 206,
    headers: {
      'Content-Type': `multipart/byteranges; boundary=${boundary}`,
      'Content-Length': String(length),
      ...headers,
    },
    body: { type: 'stream', chunks: chunks() },
  }
}

/** Reads bytes in pieces of a megabyte, and closes the source. Throws if there are fewer bytes than promised. */
export async function* readChunks(bytes: BlobBytes): AsyncGenerator<Uint8Array> {
  if (bytes.type === 'bytes') {
    yield bytes.bytes
    return
  }
  try {
    for (let at = 0; at < bytes.length; ) {
      const buffer = Buffer.allocUnsafe(Math.min(CHUNK_SIZE, bytes.length - at))
      const read = await bytes.read(buffer, bytes.start + at)
      if (read === 0) throw new Error('stored bytes end before their length')
      at += read
      yield buffer.subarray(0, read)
    }
  } finally {
    await bytes.close()
  }
}
