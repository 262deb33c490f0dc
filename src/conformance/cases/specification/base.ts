import { digestOf } from '../../../client/hasher.ts'
import { isObject } from '../../../client/request.ts'
import type { Case } from '../../case.ts'
import type { ProbeAnswer } from '../../exchange.ts'
import { pullManifest, pushArtifact } from '../../manifest.ts'
import { Failure } from '../../outcome.ts'
import { type Probe, randomContent, requireHeader, wantStatus } from '../../probe.ts'

const MUST = { group: 'specification', level: 'MUST', version: '1.0' } as const
const CODES = { ...MUST, section: 'Error Codes', readOnly: true } as const
const WARNINGS = { ...MUST, version: '1.1', section: 'Warnings' } as const

const KNOWN_CODES = [
  'BLOB_UNKNOWN',
  'BLOB_UPLOAD_INVALID',
  'BLOB_UPLOAD_UNKNOWN',
  'DENIED',
  'DIGEST_INVALID',
  'MANIFEST_BLOB_UNKNOWN',
  'MANIFEST_INVALID',
  'MANIFEST_UNKNOWN',
  'NAME_INVALID',
  'NAME_UNKNOWN',
  'SIZE_INVALID',
  'TOOMANYREQUESTS',
  'UNAUTHORIZED',
  'UNSUPPORTED',
]

/** The entry point, errors and warnings. */
export const baseCases: readonly Case[] = [
  {
    ...MUST,
    id: 'base',
    title: 'GET /v2/ returns 200 if the registry implements the specification',
    section: 'Determining Support',
    sentence: 'If the response is `200 OK`, then the registry implements this specification.',
    readOnly: true,
    async run(probe) {
      wantStatus(await probe.send({ method: 'GET', target: '/v2/' }), 200)
    },
  },
  {
    ...CODES,
    id: 'error-body',
    title: 'an error in JSON has a list of errors with codes',
    sentence: 'If the response body is in JSON format, it MUST have the following format',
    async run(probe) {
      for await (const answer of provokeErrors(probe)) errorsOf(answer)
    },
  },
  {
    ...CODES,
    id: 'error-code-characters',
    title: 'codes of errors are upper-case letters and underscores',
    sentence:
      'The `code` field MUST be a unique identifier, containing only uppercase alphabetic characters and underscores.',
    needs: ['error-body'],
    async run(probe) {
      for await (const answer of provokeErrors(probe)) {
        const odd = errorsOf(answer).find(({ code }) => !/^[A-Z_]+$/.test(code))
        if (odd !== undefined) throw new Failure('codes of upper-case letters and underscores', odd.code)
      }
    },
  },
  {
    ...CODES,
    id: 'error-code-known',
    title: 'codes of errors are those of the specification',
    sentence: 'The `code` field MUST be one of the following',
    needs: ['error-body', 'error-code-characters'],
    async run(probe) {
      for await (const answer of provokeErrors(probe)) {
        const odd = errorsOf(answer).find(({ code }) => !KNOWN_CODES.includes(code))
        if (odd !== undefined) throw new Failure('a code of the table', odd.code)
      }
    },
  },
  {
    ...CODES,
    id: 'error-message',
    level: 'SHOULD',
    title: 'messages of errors are text',
    sentence:
      'The `message` field is OPTIONAL, and if present, it SHOULD be a human readable string or MAY be empty.',
    needs: ['error-body'],
    async run(probe) {
      for await (const answer of provokeErrors(probe)) {
        const odd = errorsOf(answer).find(({ message = '' }) => typeof message !== 'string')
        if (odd !== undefined) throw new Failure('a string in "message"', JSON.stringify(odd.message))
      }
    },
  },
  {
    ...MUST,
    id: 'error-method-allow',
    level: 'SHOULD',
    version: 'dev',
    title: 'an unsupported method is refused with a list of the supported ones',
    section: 'API',
    sentence:
      'Where this specification does not define specific behavior, implementations SHOULD follow the HTTP semantics defined in RFC 9110. (Its section 15.5.6: the origin server MUST generate an Allow header field in a 405 response.)',
    async run(probe) {
      const refused = await probe.send({ method: 'DELETE', target: `/v2/${probe.repository}/tags/list` })
      if (refused.status === 405) requireHeader(refused, 'allow')
    },
  },
  {
    ...WARNINGS,
    id: 'warning-agent',
    title: 'warnings have the code 299 and the agent -',
    sentence: 'If included, `Warning` headers MUST specify a `warn-code` of `299` and a `warn-agent` of `-`',
    async run(probe) {
      for (const warning of await gatherWarnings(probe)) {
        const odd = warningValues(warning).find(({ start }) => start !== '299 - ')
        if (odd !== undefined) throw new Failure('a warning that begins with "299 - "', warning)
      }
    },
  },
  {
    ...WARNINGS,
    id: 'warning-date',
    title: 'warnings have no date',
    sentence: 'If included, `Warning` headers [...] MUST NOT specify a `warn-date` value.',
    async run(probe) {
      for (const warning of await gatherWarnings(probe)) {
        if (warningValues(warning).some(({ date }) => date)) throw new Failure('no date', warning)
      }
    },
  },
  {
    ...WARNINGS,
    id: 'warning-size',
    title: 'warnings are short',
    sentence: 'A registry MUST NOT send more than 4096 bytes of warning data from all headers combined.',
    async run(probe) {
      for (const { length } of await gatherWarnings(probe)) {
        if (length > 4096) throw new Failure('at most 4,096 bytes of warnings', `${length}`)
      }
    },
  },
]

/** Asks for what isn't there and for what can't be. */
async function* provokeErrors(probe: Probe): AsyncGenerator<ProbeAnswer> {
  const base = `/v2/${probe.repository}`
  const digest = await digestOf(randomContent(32))
  for (const path of [
    `/blobs/${digest}`,
    `/manifests/${digest}`,
    '/manifests/absent',
    '/tags/list',
    '/referrers/sha256:no-digest',
    '/blobs/sha256:no-digest',
  ]) {
    const answer = await probe.send({ method: 'GET', target: base + path })
    if (answer.status >= 400 && answer.status < 500) yield answer
  }
}

interface ErrorEntry {
  code: string
  message?: unknown
}

/** The entries of an error body; none where it is not JSON, as it may be. */
function errorsOf({ body, headers }: ProbeAnswer): ErrorEntry[] {
  const text = new TextDecoder().decode(body)
  const saysJson = /^application\/(?:.*\+)?json\b/i.test(headers.get('content-type') ?? '')
  if (!saysJson && !/^\s*[[{]/.test(text)) return []
  const value = parse(text)
  const errors = isObject(value) ? value.errors : undefined
  if (!Array.isArray(errors) || !errors.every((each) => isObject(each) && typeof each.code === 'string'))
    throw new Failure('{"errors":[{"code":"..."}]}', text.slice(0, 200))
  return errors
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The `Warning` headers of several answers, those of one answer joined. */
async function gatherWarnings(probe: Probe): Promise<string[]> {
  await pushArtifact(probe, 'warned')
  const answers = [
    await probe.send({ method: 'GET', target: '/v2/' }),
    await pullManifest(probe, 'warned'),
    await pullManifest(probe, 'absent'),
    await probe.send({ method: 'GET', target: `/v2/${probe.repository}/tags/list` }),
  ]
  return answers.flatMap(({ headers }) => headers.get('warning') ?? [])
}

/** The warnings in a header: what stands before the text of each, and whether a date stands behind it. */
function warningValues(header: string): { start: string; date: boolean }[] {
  const values = header.matchAll(/([^",]*)"(?:[^"\\]|\\.)*"(\s+"[^"]*")?\s*,?\s*/g)
  const found = Array.from(values, ([, start = '', date]) => ({ start, date: date !== undefined }))
  return found.length === 0 ? [{ start: header, date: false }] : found
}
