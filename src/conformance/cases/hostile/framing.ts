import { digestOf } from '../../../client/hasher.ts'
import { blobPath } from '../../blob.ts'
import type { Case, Level } from '../../case.ts'
import { Failure } from '../../outcome.ts'
import { type Probe, randomContent, wantStatus } from '../../probe.ts'
import { hostHeader, rawRequest } from '../../raw-request.ts'
import type { RawAnswer } from '../../transport.ts'
import { startUpload, withParameter } from '../../upload.ts'

/** What attackers try. */
export function tried(section: string, level: Level = 'SHOULD') {
  return { group: 'hostile', level, version: '1.0', section } as const
}

const CLOSE = 'Connection: close'

/** Cases of requests that are no good HTTP. */
export const hostileFramingCases: readonly Case[] = [
  {
    ...tried('Framing'),
    id: 'hostile-both-lengths',
    title: 'a body with both a length and a chunked coding is rejected, or the connection is closed after it',
    sentence:
      'If a proxy uses one length and the registry the other, a second request can hide in the body of the first.',
    async run(probe) {
      const smuggled = rawRequest('GET /v2/', [hostHeader(probe.origin)])
      const headers = ['Content-Length: 5', 'Transfer-Encoding: chunked']
      const answer = await sendTo(probe, `POST ${uploads(probe)}`, { headers, body: `0\r\n\r\n${smuggled}` })
      if (answer.statuses.length > 1) throw new Failure('one answer', `${answer.statuses.length}`)
      if (!isRefused(answer) && !answer.ended)
        throw new Failure('a refusal, or the end of the connection', `${answer.statuses}`)
    },
  },
  {
    ...tried('Framing'),
    id: 'hostile-two-lengths',
    title: 'a body with two lengths is rejected',
    sentence:
      'If a proxy uses one length and the registry the other, a second request can hide in the body of the first.',
    async run(probe) {
      const headers = ['Content-Length: 0', 'Content-Length: 44', CLOSE]
      wantRefused(await sendTo(probe, `POST ${uploads(probe)}`, { headers }), 'two lengths')
    },
  },
  {
    ...tried('Framing'),
    id: 'hostile-length-malformed',
    title: 'a length that is not a number is rejected',
    sentence:
      'If one reader takes it for 0 and another for 5, they disagree about where the next request starts.',
    async run(probe) {
      for (const length of ['+5', '-1', '0x5', '5 5', '1e1']) {
        const headers = [`Content-Length: ${length}`, CLOSE]
        wantRefused(await sendTo(probe, `POST ${uploads(probe)}`, { headers, body: 'hello' }), length)
      }
    },
  },
  {
    ...tried('Framing'),
    id: 'hostile-chunk-malformed',
    title: 'a chunk whose length is not a number is rejected',
    sentence:
      'If one reader takes it for the end of a body and another for its middle, they disagree about where the next request starts.',
    async run(probe) {
      const headers = ['Transfer-Encoding: chunked', CLOSE]
      const line = `PUT /v2/${probe.repository}/manifests/latest`
      for (const body of ['zz\r\n{}\r\n0\r\n\r\n', '-2\r\n{}\r\n0\r\n\r\n', '2\r\n{}xx0\r\n\r\n'])
        wantRefused(await sendTo(probe, line, { headers, body }), body)
    },
  },
  {
    ...tried('Framing'),
    id: 'hostile-transfer-coding',
    title: 'an unknown transfer coding is rejected',
    sentence:
      'A proxy that does not know "xchunked" and a registry that reads "chunked" in it disagree about where a request ends.',
    async run(probe) {
      const line = `PUT /v2/${probe.repository}/manifests/latest`
      for (const coding of ['xchunked', 'chunked, identity', '"chunked"']) {
        const headers = [`Transfer-Encoding: ${coding}`, CLOSE]
        wantRefused(await sendTo(probe, line, { headers, body: '0\r\n\r\n' }), coding)
      }
    },
  },
  {
    ...tried('Framing'),
    id: 'hostile-header-space',
    title: 'a header with a space before its colon is rejected',
    sentence: 'A proxy that drops such a header and a registry that reads it disagree about the request.',
    async run(probe) {
      const headers = ['Content-Length : 5', CLOSE]
      wantRefused(await sendTo(probe, `POST ${uploads(probe)}`, { headers, body: 'hello' }), 'a space')
    },
  },
  {
    ...tried('Framing'),
    id: 'hostile-no-host',
    title: 'a request without a Host header is rejected',
    sentence:
      'RFC 9112, section 3.2: a server MUST respond with 400 to an HTTP/1.1 request that lacks a Host, or has two. Otherwise, rules that depend on the host can be bypassed by omitting it.',
    async run(probe) {
      const answer = await probe.sendRaw(rawRequest('GET /v2/', [CLOSE]))
      wantRefused(answer, 'no host')
      wantRefused(await sendTo(probe, 'GET /v2/', { headers: ['Host: other.example', CLOSE] }), 'two hosts')
    },
  },
  {
    ...tried('Framing'),
    id: 'hostile-connect',
    title: 'a request for a tunnel is rejected with a response',
    sentence:
      'A registry is not a proxy: opening tunnels gives others access to its network. A connection that ends without an answer is tried again.',
    async run(probe) {
      const { statuses } = await sendTo(probe, 'CONNECT registry.example:443', { headers: [CLOSE] })
      const [first = 0] = statuses
      if (first < 400 || first > 501 || first === 500)
        throw new Failure('a status of 4xx or 501', `${statuses.join() || 'no answer'} for CONNECT`)
    },
  },
  {
    ...tried('Limits'),
    id: 'hostile-many-headers',
    title: '2,000 headers do not cause a server error',
    sentence: 'Attackers repeat requests that are slow or make a server fail.',
    async run(probe) {
      const headers = Array.from({ length: 2000 }, (_, index) => `X-${index}: ${index}`)
      wantNoFailure(await sendTo(probe, 'GET /v2/', { headers: [...headers, CLOSE] }), '2,000 headers')
      wantStatus(await probe.send({ method: 'GET', target: '/v2/' }), 200, 401)
    },
  },
  {
    ...tried('Limits'),
    id: 'hostile-long-header',
    title: 'a header of 2 MiB is rejected',
    sentence: 'Headers are kept in memory: without a limit, a few connections fill it.',
    async run(probe) {
      const headers = [`X-Long: ${'x'.repeat(2 * 1024 * 1024)}`, CLOSE]
      wantRefused(await sendTo(probe, 'GET /v2/', { headers }), 'a header of 2 MiB')
      wantStatus(await probe.send({ method: 'GET', target: '/v2/' }), 200, 401)
    },
  },
  {
    ...tried('Names'),
    id: 'hostile-dots',
    title: 'a path with dot segments does not reach anything',
    sentence:
      'A path that leaves its folder can read files outside the registry, or bypass the rules of a proxy.',
    async run(probe) {
      for (const path of [
        '/v2/../../../../etc/passwd',
        `/v2/${probe.repository}/../../../etc/manifests/passwd`,
        '/v2/%2e%2e/%2e%2e/manifests/latest',
        '/v2/..%2f..%2f..%2fetc/manifests/passwd',
        `/v2/${probe.repository}/blobs/..%2f..%2fmetadata`,
        `/v2/${probe.repository}/manifests/..`,
        '/v2/..\\..\\etc/manifests/passwd',
      ])
        wantNothing(await sendTo(probe, `GET ${path}`, { headers: [CLOSE] }), path)
    },
  },
  {
    ...tried('Framing', 'MUST'),
    id: 'hostile-cut-upload',
    title: 'an incomplete blob is not kept',
    sentence: 'A broken connection must not create a blob, even if the part that arrived matches its digest.',
    needs: ['blob-push-post-put'],
    async run(probe) {
      const bytes = randomContent(50).map((byte) => (byte % 26) + 97)
      const digest = await digestOf(bytes)
      probe.cleanUp({ method: 'DELETE', target: blobPath(probe.repository, digest) })
      const location = withParameter(await startUpload(probe), 'digest', digest)
      const { pathname, search } = new URL(location, probe.origin)
      const headers = ['Content-Type: application/octet-stream', 'Content-Length: 100', CLOSE]
      await sendTo(probe, `PUT ${pathname}${search}`, {
        headers,
        body: new TextDecoder().decode(bytes),
        end: true,
      })
      wantStatus(await probe.send({ method: 'HEAD', target: blobPath(probe.repository, digest) }), 404)
    },
  },
]

function uploads(probe: Probe): string {
  return `/v2/${probe.repository}/blobs/uploads/`
}

interface RawParts {
  headers: readonly string[]
  body?: string
  /** Ends the connection behind the body. */
  end?: boolean
}

async function sendTo(
  probe: Probe,
  line: string,
  { headers, body = '', end = false }: RawParts,
): Promise<RawAnswer> {
  const request = rawRequest(line, [hostHeader(probe.origin), ...headers], body)
  return await probe.sendRaw(request, { end })
}

function isRefused({ statuses }: RawAnswer): boolean {
  const [status] = statuses
  return status === undefined || status === 501 || (status >= 400 && status < 500)
}

/** Fails unless it was refused, or the connection ended without a word. */
function wantRefused(answer: RawAnswer, what: string): void {
  if (!isRefused(answer)) throw new Failure('a status of 4xx or the end', `${answer.statuses} for ${what}`)
}

function wantNoFailure({ statuses }: RawAnswer, what: string): void {
  const failure = statuses.find((status) => status >= 500)
  if (failure !== undefined) throw new Failure('no failure', `${failure} for ${what}`)
}

/** Fails if there was something, or a failure. */
function wantNothing({ statuses }: RawAnswer, what: string): void {
  const [status = 400] = statuses
  if (status < 300 || status > 499) throw new Failure('a status of 4xx', `${status} for ${what}`)
}
