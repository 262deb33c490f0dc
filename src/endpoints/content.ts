import type { AnswerDescription } from '../api/operation.ts'
import type { JsonSchema } from '../api/schema.ts'
import type { ErrorId } from '../oci/error.ts'

/** Bytes whose form is not described. */
export const BYTES: JsonSchema = {}

/** The Cache-Control of content that is requested by digest. */
export const IMMUTABLE = 'public, max-age=31536000, immutable, no-transform'

/** Headers of requests that decide which part of some content is sent. */
export const CONTENT_CONDITIONS = ['If-Match', 'If-None-Match', 'Range', 'If-Range'] as const

/** The errors with which reading any content of a repository can be refused. */
export const CONTENT_ERRORS = [
  'NAME_UNKNOWN',
  'PRECONDITION_FAILED',
  'RANGE_UNSATISFIABLE',
] as const satisfies ErrorId[]

const CONTENT_HEADERS = ['Docker-Content-Digest', 'ETag', 'Accept-Ranges', 'Content-Security-Policy'] as const

/** The answers to reading content: all of it, a part, or nothing. */
export function contentAnswers(mediaType: string): Readonly<Record<number, AnswerDescription>> {
  return {
    200: {
      description: 'All of the content, byte for byte as it was pushed.',
      headers: CONTENT_HEADERS,
      content: { [mediaType]: BYTES },
    },
    206: {
      description:
        'The requested range. If several ranges were requested, one part for each, in the order of the request.',
      headers: [...CONTENT_HEADERS, 'Content-Range?'],
      content: { [mediaType]: BYTES, 'multipart/byteranges': BYTES },
    },
    304: {
      description: 'The client already has this content, according to `If-None-Match`.',
      headers: CONTENT_HEADERS,
    },
  }
}
