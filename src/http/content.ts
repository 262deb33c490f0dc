import { randomBytes } from 'node:crypto'
import type { ContentAnswer } from '../api/answer.ts'
import { allowsRange, isNotModified, requireMatch } from '../api/precondition.ts'
import { RegistryError } from '../oci/error.ts'
import { type ByteRange, parseRange } from '../oci/range.ts'
import type { BlobAddress, BlobBytes } from '../registry/registry.ts'
import { chunksOf, closeBytes } from '../registry/stored-bytes.ts'
import type { HttpRequest, HttpResponse } from './message.ts'
import { emptyResponse, errorResponse } from './respond.ts'

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
  const [first] = ranges ?? [{ start: 0, end: content.size - 1 }]
  if (first === undefined) return unsatisfiable(content)
  if (content.size === 0) return { status: 200, headers: whole }
  const opened = await content.open(first)
  if (opened.type === 'address') return elsewhere(content, opened)
  if (ranges === undefined) return { status: 200, headers: whole, body: opened }
  return ranges.length === 1
    ? singleRange(content, { range: first, bytes: opened }, headers)
    : severalRanges(content, { ranges, first: opened }, headers)
}

/**
 * Sends the client to the address, whatever range it wants: it repeats its `Range` there. The address may expire, so this must not be
 * cached as the content may. HEAD is never redirected, because everything that it asks for is known here, and an address may be valid only
 * for GET.
 */
function elsewhere({ digest }: ContentAnswer, { url }: BlobAddress): HttpResponse {
  return emptyResponse(307, { Location: url, 'Docker-Content-Digest': digest })
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

function singleRange(
  content: ContentAnswer,
  { range, bytes }: { range: ByteRange; bytes: BlobBytes },
  headers: Record<string, string>,
): HttpResponse {
  return {
    status: 206,
    headers: {
      'Content-Type': content.mediaType,
      'Content-Length': String(lengthOf(range)),
      'Content-Range': formatContentRange(range, content.size),
      ...headers,
    },
    body: bytes,
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
  { ranges, first }: { ranges: ByteRange[]; first: BlobBytes },
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
      const bytes = index === 0 ? first : await content.open(range)
      if (bytes.type === 'address') throw new Error('the bytes of a blob moved elsewhere while it was sent')
      yield* chunksOf(bytes)
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
    body: { type: 'stream', chunks: chunks(), close: () => closeBytes(first) },
  }
}
