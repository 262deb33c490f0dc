import { digestOf } from '../../../client/hasher.ts'
import { askForBlob, blobPath } from '../../blob.ts'
import type { Case } from '../../case.ts'
import type { ProbeAnswer } from '../../exchange.ts'
import { manifestTarget, pushArtifact } from '../../manifest.ts'
import { Failure, NotSupported } from '../../outcome.ts'
import { randomContent } from '../../probe.ts'
import { closeUpload, postUpload, pushBlob, sendChunk, startUpload } from '../../upload.ts'
import { hostileBoundCases } from './bounds.ts'
import { hostileFramingCases, tried } from './framing.ts'
import { hostileManifestCases, hostileSizeCases } from './manifests.ts'

const NEEDS = ['blob-push-post-put']

const nameCases: readonly Case[] = [
  {
    ...tried('Names'),
    id: 'hostile-encoded-slash',
    title: 'an encoded slash does not separate the parts of an endpoint',
    sentence:
      'A proxy protects each endpoint by its path: if a registry decodes app%2Fmanifests%2Flatest to an endpoint, the protection is bypassed.',
    needs: ['manifest-push-by-tag'],
    async run(probe) {
      await pushArtifact(probe, 'latest')
      for (const path of ['%2Fmanifests%2Flatest', '/manifests%2Flatest', '%2Ftags%2Flist', '%2Ftags/list']) {
        const target = `/v2/${probe.repository}${path}`
        wantNotFound(await probe.send({ method: 'GET', target }), target)
      }
    },
  },
  {
    ...tried('Names'),
    id: 'hostile-empty-part',
    title: 'a name with an empty part is rejected',
    sentence:
      'Some readers treat names that differ only by an empty part as the same name, and others do not.',
    async run(probe) {
      for (const name of [`${probe.repository}//x`, `/${probe.repository}`, `${probe.repository}/`])
        wantNotFound(await postUpload(probe, `/v2/${name}/blobs/uploads/`), name)
    },
  },
  {
    ...tried('Names'),
    id: 'hostile-long-name',
    title: 'a name of more than 255 characters is rejected',
    sentence: 'No client can pull from it, and code that stores names in files or columns fails.',
    async run(probe) {
      const name = `${probe.repository}/${'a'.repeat(256)}`
      wantNotFound(await postUpload(probe, `/v2/${name}/blobs/uploads/`), '256 characters')
    },
  },
  {
    ...tried('Names'),
    id: 'hostile-huge-name',
    title: 'a name of 8,000 characters does not cause a server error',
    sentence: 'Attackers repeat requests that are slow or make a server fail.',
    readOnly: true,
    async run(probe) {
      for (const name of ['a'.repeat(8000), 'a-'.repeat(4000), 'a/'.repeat(4000), `${'a-'.repeat(4000)}!`])
        wantNotFound(await probe.send({ method: 'GET', target: `/v2/${name}/tags/list` }), '8,000 characters')
    },
  },
  {
    ...tried('Names'),
    id: 'hostile-control-characters',
    title: 'control characters in names and tags are rejected',
    sentence: 'They can truncate names in files and databases, and inject lines into logs and headers.',
    async run(probe) {
      for (const path of ['a%00b/tags/list', 'manifests/a%00', 'manifests/a%0d%0ab', 'manifests/%1b[2J'])
        wantNotFound(await probe.send({ method: 'GET', target: `/v2/${probe.repository}/${path}` }), path)
    },
  },
  {
    ...tried('Names', 'MUST'),
    id: 'hostile-line-break',
    title: 'a line break in a parameter does not create a header',
    sentence:
      'If a parameter with a line break is repeated in Link or Location, an attacker can inject headers.',
    needs: ['manifest-push-by-tag'],
    async run(probe) {
      await pushArtifact(probe, 'latest')
      const target = `/v2/${probe.repository}/tags/list?n=1&last=a%0d%0aX-Injected:%201`
      const answer = await probe.send({ method: 'GET', target })
      if (answer.headers.has('x-injected')) throw new Failure('no header X-Injected', 'one')
      wantNoFailure(answer, target)
    },
  },
]

const digestCases: readonly Case[] = [
  {
    ...tried('Digests'),
    id: 'hostile-digest',
    title: 'a malformed digest does not identify a blob',
    sentence: 'A digest that is used as a path or as a storage key can read files that are not blobs.',
    async run(probe) {
      for (const digest of [
        'sha256',
        'sha256:',
        ':abc',
        'sha256:..%2F..%2Fetc%2Fpasswd',
        `sha256:${'0'.repeat(63)}`,
        `sha256:${'0'.repeat(65)}`,
        `sha256:${'0'.repeat(63)}g`,
        `sha256:${'0'.repeat(63)}%00`,
        `__proto__:${'0'.repeat(64)}`,
        `sha256:${'0'.repeat(7000)}`,
      ])
        wantNotFound(await askForBlob(probe, digest), digest.slice(0, 100))
    },
  },
  {
    ...tried('Digests'),
    id: 'hostile-digest-case',
    title: 'a digest in upper case is rejected',
    sentence:
      'One content with two names passes by what blocks one of them. The image specification: note that [A-F] MUST NOT be used here.',
    needs: NEEDS,
    async run(probe) {
      const digest = await pushBlob(probe, randomContent(64))
      const upper = `sha256:${digest.slice(7).toUpperCase()}`
      wantNotFound(await askForBlob(probe, upper), upper)
      wantNotFound(await askForBlob(probe, digest.toUpperCase()), digest.toUpperCase())
    },
  },
  {
    ...tried('Digests'),
    id: 'hostile-digest-broken',
    title: 'a digest with a broken algorithm is rejected',
    sentence:
      'An attacker can create two contents with the same sha1 or md5 digest: the content that is pulled may not be the one that was checked.',
    needs: NEEDS,
    async run(probe) {
      const bytes = randomContent(64) as Uint8Array<ArrayBuffer>
      const hash = new Uint8Array(await crypto.subtle.digest('SHA-1', bytes))
      const digest = `sha1:${Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('')}`
      wantNotFound(await closeUpload(probe, await startUpload(probe), { digest, body: bytes }), digest)
    },
  },
]

const rangeCases: readonly Case[] = [
  {
    ...tried('Ranges'),
    id: 'hostile-range',
    title: 'a malformed range does not cause a server error',
    sentence: 'Numbers that are too large for a reader may become negative and read other memory.',
    needs: NEEDS,
    async run(probe) {
      const digest = await pushBlob(probe, randomContent(100))
      for (const range of [
        'bytes=abc',
        'bytes=-0',
        'bytes=--1',
        'bytes=5-2',
        'bytes=99999999999999999999-',
        'bytes=-99999999999999999999',
        'bytes=0-18446744073709551616',
        'bytes=1e1-',
        'lines=0-1',
      ]) {
        const { status, body } = await askForBlob(probe, digest, { headers: { Range: range } })
        if (![200, 206, 400, 416].includes(status) || (status < 300 && body.length > 100))
          throw new Failure('200, 206, 400 or 416', `${status} with ${body.length} bytes for ${range}`)
      }
    },
  },
  {
    ...tried('Ranges'),
    id: 'hostile-many-ranges',
    title: 'many ranges of the same bytes do not multiply them',
    sentence: 'A request of a few hundred bytes could make a server send a blob hundreds of times.',
    needs: NEEDS,
    async run(probe) {
      const digest = await pushBlob(probe, randomContent(10_000))
      const range = `bytes=${Array.from({ length: 500 }, () => '0-').join(',')}`
      const answer = await askForBlob(probe, digest, { headers: { Range: range } })
      wantNoFailure(answer, '500 ranges')
      if (answer.body.length > 40_000) throw new Failure('10,000 bytes, or few more', `${answer.body.length}`)
    },
  },
  {
    ...tried('Ranges'),
    id: 'hostile-content-range',
    title: 'a chunk with a malformed or wrong range is rejected',
    sentence: 'A chunk that is written at a wrong position leaves holes in a file.',
    needs: NEEDS,
    async run(probe) {
      const bytes = randomContent(50)
      for (const range of [
        '0-99',
        '5-2',
        'abc',
        '0-99999999999999999999',
        '99999999999999999999-99999999999999999999',
      ]) {
        const target = await startUpload(probe)
        const headers = { 'Content-Type': 'application/octet-stream', 'Content-Range': range }
        wantNotFound(await probe.send({ method: 'PATCH', target, headers, body: bytes }), range)
      }
    },
  },
]

const contentCases: readonly Case[] = [
  {
    ...tried('Content'),
    id: 'hostile-blob-page',
    title: 'a blob is not shown as an HTML page',
    sentence: 'A script that a browser runs from the host of a registry has the rights of the user.',
    needs: NEEDS,
    async run(probe) {
      const page = new TextEncoder().encode(`<html><script>/* ${crypto.randomUUID()} */</script></html>`)
      const { headers } = await askForBlob(probe, await pushBlob(probe, page))
      const type = headers.get('content-type') ?? ''
      const isSafe =
        /^application\/octet-stream\b/.test(type) || headers.get('x-content-type-options') === 'nosniff'
      if (/^text\/html\b/i.test(type) || !isSafe)
        throw new Failure('application/octet-stream, or nosniff', type || 'no Content-Type')
    },
  },
  {
    ...tried('Content', 'MUST'),
    id: 'hostile-upload-elsewhere',
    title: 'an upload cannot be continued from another repository',
    sentence:
      'A client that may push to one repository must not be able to write to or take over the uploads of another.',
    needs: NEEDS,
    async run(probe) {
      const location = await startUpload(probe)
      const own = `/v2/${probe.repository}/`
      if (!location.includes(own)) throw new NotSupported('the location does not name the repository')
      await pushBlob(probe, randomContent(32), probe.otherRepository)
      const elsewhere = location.replace(own, `/v2/${probe.otherRepository}/`)
      wantNotFound(await sendChunk(probe, elsewhere, { bytes: randomContent(32) }), 'another repository')
    },
  },
  {
    ...tried('Content', 'MUST'),
    id: 'hostile-blob-elsewhere',
    title: 'a blob of another repository cannot be read by its digest',
    sentence:
      'A client that may pull from only one repository must not be able to read others by knowing a digest.',
    needs: NEEDS,
    async run(probe) {
      const digest = await pushBlob(probe, randomContent(64), probe.otherRepository)
      await pushBlob(probe, randomContent(64))
      const target = blobPath(probe.repository, digest)
      wantNotFound(await probe.send({ method: 'GET', target }), 'another repository')
      const manifest = manifestTarget(probe, await digestOf(randomContent(32)))
      wantNotFound(await probe.send({ method: 'GET', target: manifest }), 'an unknown digest')
    },
  },
]

function wantNotFound({ status }: ProbeAnswer, what: string): void {
  if (status < 400 || status > 499) throw new Failure('a status of 4xx', `${status} for ${what}`)
}

function wantNoFailure({ status }: ProbeAnswer, what: string): void {
  if (status >= 500) throw new Failure('no failure', `${status} for ${what}`)
}

/** Cases of names, digests, ranges and content. */
export const hostileRequestCases: readonly Case[] = [
  ...nameCases,
  ...digestCases,
  ...rangeCases,
  ...contentCases,
]

/** What attackers try. */
export const hostileCases: readonly Case[] = [
  ...hostileRequestCases,
  ...hostileManifestCases,
  ...hostileSizeCases,
  ...hostileBoundCases,
  ...hostileFramingCases,
]
