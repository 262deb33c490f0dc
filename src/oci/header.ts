import { type JsonSchema, schemaNamed } from './schema.ts'

interface Header {
  description: string
  schema: JsonSchema
}

/** Headers of answers. */
export const HEADERS = {
  'Accept-Ranges': { description: 'That parts can be asked for.', schema: { const: 'bytes' } },
  Allow: { description: 'The methods that this endpoint answers.', schema: { type: 'string' } },
  'Cache-Control': {
    description:
      'Content by digest never changes, and may be kept. Everything else must be asked for each time: an answer of 404 may be 200 a moment later.',
    schema: { type: 'string', pattern: '^no-cache$|\\bno-transform$' },
  },
  'Content-Length': {
    description: 'The length of the body in bytes; of HEAD, that of the body which GET has.',
    schema: { type: 'integer', minimum: 0 },
  },
  'Content-Range': {
    description: 'Which bytes these are, and of how many. Of a range that lies outside, only of how many.',
    schema: { type: 'string', pattern: '^bytes (?:\\d+-\\d+|\\*)/\\d+$' },
  },
  'Content-Security-Policy': {
    description: 'Keeps a browser from running content as a page of the registry.',
    schema: { const: "default-src 'none'; sandbox" },
  },
  'Cross-Origin-Resource-Policy': {
    description: 'Keeps pages of other origins from embedding what is answered.',
    schema: { const: 'same-origin' },
  },
  'Docker-Content-Digest': { description: 'The digest of the content.', schema: schemaNamed('Digest') },
  'Docker-Distribution-Api-Version': {
    description: 'What old clients know a registry by.',
    schema: { const: 'registry/2.0' },
  },
  'Docker-Upload-UUID': { description: 'The id of the upload.', schema: schemaNamed('UploadId') },
  ETag: {
    description:
      'The digest of the content, in quotes; of a list, what differs from that of any other state of it.',
    schema: { type: 'string', pattern: '^"[^"]+:[^"]+"$' },
  },
  Link: {
    description:
      'The next page, as a path with `rel="next"`, with the prefix of the public URL if that has one. Absent on the last one.',
    schema: { type: 'string', pattern: '^<(?:/[\\w.~-]+)*/v2/[^<>]*>; rel="next"$' },
  },
  Location: {
    description:
      'Where to go on: a path without host and query, with the prefix of the public URL if that has one.',
    schema: { type: 'string', pattern: '^(?:/[\\w.~-]+)*/v2/[^?#]+$' },
  },
  'OCI-Filters-Applied': {
    description: 'The parameters that the list was filtered by, between commas.',
    schema: { type: 'string', pattern: '^[A-Za-z]+(?:,[A-Za-z]+)*$' },
  },
  'OCI-Subject': {
    description: 'The subject of the manifest. Absent if it has none.',
    schema: schemaNamed('Digest'),
  },
  'OCI-Tag': {
    description: 'The tags that were set because of the parameter `tag`. Absent without it.',
    schema: { type: 'string', minLength: 1 },
  },
  Range: {
    description: 'The bytes that the upload has, both ends included. An upload without bytes says `0-0` too.',
    schema: { type: 'string', pattern: '^0-\\d+$' },
  },
  'Retry-After': {
    description: 'After how many seconds to try again.',
    schema: { type: 'string', pattern: '^\\d+$' },
  },
  Vary: {
    description: 'That `Accept` chooses the media type.',
    schema: { const: 'Accept' },
  },
  'X-Content-Type-Options': {
    description: 'Keeps a browser from guessing another media type.',
    schema: { const: 'nosniff' },
  },
} as const satisfies Record<string, Header>

/** The name of a header that answers have. */
export type HeaderName = keyof typeof HEADERS

/** Headers that every answer of the API has. */
export const COMMON_HEADERS = [
  'Cache-Control',
  'Docker-Distribution-Api-Version',
  'Cross-Origin-Resource-Policy',
  'X-Content-Type-Options',
] as const satisfies HeaderName[]

const ENTITY_TAGS = { type: 'string', examples: ['"sha256:…"', '*'] }

/** Headers of requests that change what is done. */
export const REQUEST_HEADERS = {
  'Content-Range': {
    description:
      'Which bytes of the blob these are: `<start>-<end>`, both included. They must follow those that are there.',
    schema: { type: 'string', pattern: '^(?:bytes )?\\d+-\\d+(?:/(?:\\d+|\\*))?$' },
  },
  'If-Match': {
    description: 'Only if what is named now is one of these, by `"<digest>"`, or is anything at all, by `*`.',
    schema: ENTITY_TAGS,
  },
  'If-None-Match': {
    description: 'Only if what is named now is none of these, by `"<digest>"`, or is nothing at all, by `*`.',
    schema: ENTITY_TAGS,
  },
  'If-Range': {
    description: 'The whole content unless this is its `ETag`.',
    schema: { type: 'string' },
  },
  'Last-Event-ID': {
    description:
      'The `id` of the last event that was received: the stream goes on behind it, whatever `since` says.',
    schema: { type: 'string', pattern: '^\\d{0,15}$' },
  },
  Range: {
    description: 'Which bytes are wanted, `bytes=<first>-<last>`, or several such ranges between commas.',
    schema: { type: 'string', examples: ['bytes=0-1023'] },
  },
} as const satisfies Record<string, Header>

/** The name of a header of requests. */
export type RequestHeaderName = keyof typeof REQUEST_HEADERS
