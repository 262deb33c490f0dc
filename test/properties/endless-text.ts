import { parentPort, workerData } from 'node:worker_threads'
import fc from 'fast-check'
import { specifiedLimitParameter } from '../../src/api/parameters.ts'
import { isNotModified } from '../../src/api/precondition.ts'
import { parseChallenge } from '../../src/client/challenge.ts'
import { DEFAULTS, parseConfig } from '../../src/config.ts'
import { parseDigest } from '../../src/oci/digest.ts'
import { parseJson } from '../../src/oci/json.ts'
import { parseNextLink } from '../../src/oci/link.ts'
import { parseManifest } from '../../src/oci/manifest.ts'
import { parseMediaType } from '../../src/oci/media-type.ts'
import { parseContentRange, parseRange } from '../../src/oci/range.ts'
import { parseReference, parseRepositoryName, type RepositoryName } from '../../src/oci/reference.ts'
import { parseRoute } from '../../src/oci/route.ts'
import { parseUploadId } from '../../src/registry/upload-id.ts'
import { holds } from './property.ts'

/** A text that is short to say: a beginning, a piece that is repeated, and an end. */
export interface LongText {
  before: string
  piece: string
  after: string
}

interface Adversary {
  parse(text: string): unknown
  /** What leads into the grammar. */
  before: readonly string[]
  /** What the grammar repeats. */
  pieces: readonly string[]
  after?: readonly string[]
}

/** In characters; where each is looked at again for each before it, one text takes minutes. */
const SIZE = 512 * 1024

const names = {
  before: ['', 'a', 'a/', 'sha256:'],
  pieces: ['a', 'a/', '/', 'a-', '-', '__a', 'a.', ':', '=', 'sha256:a'],
}
const lists = ['"', '\\', '\\"', ',', ' ', ', ', '\t,', '*', 'W/', '""', '"a",', '"a', 'a"']
const json = {
  before: ['', '{"a":', '["', '{"', '{"a"', '[', '{"layers":['],
  pieces: [
    '[',
    '{',
    '"',
    '\\',
    '\\"',
    '\\\\',
    '"a":1,',
    '{"a":',
    '[]',
    '{},',
    '"",',
    ' ',
    '"a" ',
    '\\u0061',
    ':',
    '0',
    '1e9',
    '-',
    ']',
    '}',
  ],
  after: ['!', '"]}'],
}

/** Each parser that takes text of strangers, with what could lead it astray. */
export const ADVERSARIES: Readonly<Record<string, Adversary>> = {
  'a path': {
    parse: parseRoute,
    before: ['/', '/v2/', '/v2/a/manifests/', '/v2/_a/'],
    pieces: [
      '/',
      'a/',
      '%25',
      '%2F',
      '%2e/',
      '%',
      'a',
      '_a/',
      'blobs/uploads/',
      'manifests/',
      'tags/list/',
      'referrers/a/',
    ],
    after: ['', '/manifests/v1', '/tags/list', '/_a/b/c', '%'],
  },
  'a name': { parse: parseRepositoryName, ...names },
  'a reference': { parse: parseReference, ...names },
  'a digest': { parse: parseDigest, ...names },
  'a media type': {
    parse: parseMediaType,
    before: ['', 'a/', 'a/b'],
    pieces: ['a', '/', ';', ' ', '\t', '; ', 'a/', '+'],
  },
  'a range': {
    parse: (text) => parseRange(text, 1_000),
    before: ['', 'bytes=', 'bytes', ' '],
    pieces: ['0-0,', '-', '0', '0-', ',', '=', ' ', ' ,', '-1,', '9'],
  },
  'a Content-Range': {
    parse: parseContentRange,
    before: ['', 'bytes ', '0-', '0-1/'],
    pieces: ['0', '-', ' ', '/', '0-0', '*'],
  },
  'a link': {
    parse: parseNextLink,
    before: ['', '<a>', '<a>;', '<a>;rel=', '<a>;rel="'],
    pieces: [...lists, '<', '<a>', '<a>,', ';', '; ', ';rel=next', ';a', 'a', 'a="', ';a="', ';a="",', '='],
  },
  'a challenge': {
    parse: parseChallenge,
    before: ['', 'Bearer ', 'Bearer realm="'],
    pieces: [...lists, 'a', 'a=', '=', 'a="', 'a=b,', 'a ', 'a a=', 'Bearer ', 'Basic,', 'Bearer realm="x",'],
  },
  'entity tags': {
    parse: (header) => isNotModified({ header: () => header } as never, 'sha256:a'),
    before: ['', '"', 'W/'],
    pieces: lists,
  },
  'the number of a page': {
    parse: (text) => specifiedLimitParameter(100).parse(text.replace(/[^0-9]/g, '0')),
    before: [''],
    pieces: ['0', '9'],
  },
  "an upload's id": {
    parse: (text) => parseUploadId(new Uint8Array(32), 'a' as RepositoryName, text),
    before: ['', '00000000-'],
    pieces: ['0', '-', '0000-', 'a'],
  },
  'an address': {
    parse: (listen) => refusable(() => parseConfig({ ...DEFAULTS, listen })),
    before: ['', '[', '127.'],
    pieces: [':', '[', ']', '127.', '0', 'a', ':5000'],
    after: ['', ':5000', ']:5000'],
  },
  'a time': {
    parse: (uploadExpiry) => refusable(() => parseConfig({ ...DEFAULTS, uploadExpiry })),
    before: [''],
    pieces: ['0', 'h', '1h', ' '],
  },
  JSON: { parse: (text) => refusable(() => parseJson(Buffer.from(text))), ...json },
  'a manifest': {
    parse: (text) => refusable(() => parseManifest(Buffer.from(text), 'a/b')),
    ...json,
    pieces: [...json.pieces, 'null,', '"layers":[],', '{"digest":"a:b","size":1},', 'ſ'],
  },
}

function refusable(parse: () => unknown): unknown {
  try {
    return parse()
  } catch (error) {
    return error
  }
}

/** Repeats each piece behind each beginning, then mixtures of pieces. */
function parseAll({ parse, before, pieces, after = ['!'] }: Adversary, tell: (text: LongText) => void): void {
  const parseLong = (text: LongText) => {
    tell(text)
    parse(text.before + text.piece.repeat(Math.ceil(SIZE / text.piece.length)) + text.after)
  }
  for (const first of before)
    for (const piece of pieces) for (const last of after) parseLong({ before: first, piece, after: last })
  const mixtures = fc.record({
    before: fc.constantFrom(...before),
    piece: fc
      .array(fc.constantFrom(...pieces), { minLength: 2, maxLength: 4 })
      .map((parts) => parts.join('')),
    after: fc.constantFrom(...after, '', '\n', '\u2028'),
  })
  holds(mixtures, parseLong, 0.03)
}

// As a thread, since nothing else could stop a parser that does not end.
const adversary = ADVERSARIES[String(workerData)]
if (parentPort !== null && adversary !== undefined)
  parseAll(adversary, (text) => parentPort?.postMessage(text))
