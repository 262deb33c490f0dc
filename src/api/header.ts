import { type JsonSchema, schemaNamed } from './schema.ts'

interface Header {
  description: string
  schema: JsonSchema
}

/** Headers of answers. */
export const HEADERS = {
  'Accept-Ranges': { description: 'Byte ranges are supported.', schema: { const: 'bytes' } },
  Allow: { description: 'The methods that this endpoint supports.', schema: { type: 'string' } },
  'Cache-Control': {
    description:
      'Content requested by digest never changes and may be cached. Everything else must be revalidated on each use: a 404 may become a 200 a moment later.',
    schema: { type: 'string', pattern: '^no-cache$|\\bno-transform$' },
  },
  'Content-Length': {
    description: 'The length of the body in bytes. For HEAD, the length of the body that GET would return.',
    schema: { type: 'integer', minimum: 0 },
  },
  'Content-Range': {
    description:
      'The range of bytes in this response, and the total size. If the range cannot be satisfied, only the total size.',
    schema: { type: 'string', pattern: '^bytes (?:\\d+-\\d+|\\*)/\\d+$' },
  },
  'Content-Security-Policy': {
    description: 'Prevents browsers from running content as a page of the registry.',
    schema: { const: "default-src 'none'; sandbox" },
  },
  'Cross-Origin-Resource-Policy': {
    description: 'Prevents pages of other origins from embedding the response.',
    schema: { const: 'same-origin' },
  },
  'Docker-Content-Digest': { description: 'The digest of the content.', schema: schemaNamed('Digest') },
  'Docker-Distribution-Api-Version': {
    description: 'Identifies a registry to old clients.',
    schema: { const: 'registry/2.0' },
  },
  'Docker-Upload-UUID': { description: 'The id of the upload.', schema: schemaNamed('UploadId') },
  ETag: {
    description:
      'The digest of the content, in quotes. For a list, a value that is different for each state of the list.',
    schema: { type: 'string', pattern: '^"[^"]+:[^"]+"$' },
  },
  Link: {
    description:
      'The path of the next page, with `rel="next"`, and with the path prefix of the public URL if it has one. Absent on the last page.',
    schema: { type: 'string', pattern: '^<(?:/[\\w.~-]+)*/v2/[^<>]*>; rel="next"$' },
  },
  Location: {
    description:
      'The path to use next, without host or query, and with the path prefix of the public URL if it has one.',
    schema: { type: 'string', pattern: '^(?:/[\\w.~-]+)*/v2/[^?#]+$' },
  },
  'OCI-Filters-Applied': {
    description: 'The parameters that the list was filtered by, separated by commas.',
    schema: { type: 'string', pattern: '^[A-Za-z]+(?:,[A-Za-z]+)*$' },
  },
  'OCI-Subject': {
    description: 'The digest of the subject of the manifest. Absent if it has none.',
    schema: schemaNamed('Digest'),
  },
  'OCI-Tag': {
    description: 'The tags that were set because of the `tag` parameter. Absent without that parameter.',
    schema: { type: 'string', minLength: 1 },
  },
  Range: {
    description:
      'The bytes received so far; both ends are inclusive. An upload without any bytes also reports `0-0`.',
    schema: { type: 'string', pattern: '^0-\\d+$' },
  },
  'Retry-After': {
    description: 'The number of seconds to wait before trying again.',
    schema: { type: 'string', pattern: '^\\d+$' },
  },
  Vary: {
    description: 'The media type depends on `Accept`.',
    schema: { const: 'Accept' },
  },
  'X-Content-Type-Options': {
    description: 'Prevents browsers from guessing another media type.',
    schema: { const: 'nosniff' },
  },
  'X-Request-Id': {
    description:
      'The id of the request, by which the log of the registry names it. A trusted proxy may have given it.',
    schema: { type: 'string', pattern: '^[\\w.:/+=@~-]{1,128}$' },
  },
} as const satisfies Record<string, Header>

/** The name of a header that answers have. */
export type HeaderName = keyof typeof HEADERS

/** The headers of answers outside the API as well. */
export const PROBE_HEADERS = ['X-Request-Id'] as const satisfies HeaderName[]

/** Headers that every answer of the API has. */
export const COMMON_HEADERS = [
  'Cache-Control',
  'Docker-Distribution-Api-Version',
  'Cross-Origin-Resource-Policy',
  'X-Content-Type-Options',
  'X-Request-Id',
] as const satisfies HeaderName[]

const ENTITY_TAGS = { type: 'string', examples: ['"sha256:…"', '*'] }

/** Headers of requests that affect how a request is handled. */
export const REQUEST_HEADERS = {
  'Content-Range': {
    description:
      'The position of this chunk in the blob: `<start>-<end>`, both inclusive. It must start where the upload ends.',
    schema: { type: 'string', pattern: '^(?:bytes )?\\d+-\\d+(?:/(?:\\d+|\\*))?$' },
  },
  'If-Match': {
    description:
      'Proceed only if the current content has one of these digests, written as `"<digest>"`; `*` matches any content.',
    schema: ENTITY_TAGS,
  },
  'If-None-Match': {
    description:
      'Proceed only if the current content has none of these digests, written as `"<digest>"`; with `*`, only if there is no content.',
    schema: ENTITY_TAGS,
  },
  'If-Range': {
    description: 'Ignore `Range` and return the whole content unless its `ETag` is this one.',
    schema: { type: 'string' },
  },
  'Last-Event-ID': {
    description:
      'The `id` of the last event received. The stream continues after it, and `since` is ignored.',
    schema: { type: 'string', pattern: '^\\d{0,15}$' },
  },
  Range: {
    description: 'The bytes to return: `bytes=<first>-<last>`, or several such ranges separated by commas.',
    schema: { type: 'string', examples: ['bytes=0-1023'] },
  },
} as const satisfies Record<string, Header>

/** The name of a header of requests. */
export type RequestHeaderName = keyof typeof REQUEST_HEADERS
