import { digestOf } from '../../../client/hasher.ts'
import { MEDIA_TYPES } from '../../../oci/media-type.ts'
import { cleanUpBlob, wantBlob } from '../../blob.ts'
import type { Case } from '../../case.ts'
import { needEndpoint } from '../../discovery.ts'
import { tagsOf } from '../../list.ts'
import { makeArtifact, manifestOf, offerManifest, pullManifest, pushArtifact } from '../../manifest.ts'
import { Failure, NotSupported } from '../../outcome.ts'
import { type Probe, randomContent, wantStatus } from '../../probe.ts'
import { hostHeader, rawRequest } from '../../raw-request.ts'
import { isRefused, startUpload, withParameter } from '../../upload.ts'
import { tried } from './framing.ts'

const NEEDS = ['manifest-push-by-digest']
const MANIFEST_LIST = '_stowage/manifests/list'
const PIECES = 20_000
const TERMS = 5_000

/** Cases of what a client may ask for, and what it may change of content that has a digest. */
export const hostileBoundCases: readonly Case[] = [
  {
    ...tried('Content'),
    id: 'hostile-media-type-changes',
    title: 'the media type of a digest stays as it was first pushed',
    sentence:
      'A client that has verified a digest also trusts its media type. A push of the same bytes with another type would change their meaning for all other clients.',
    needs: NEEDS,
    async run(probe) {
      const { bytes } = await makeArtifact(probe, { mediaType: undefined })
      const first = await manifestOf(bytes)
      const other = await manifestOf(bytes, MEDIA_TYPES.dockerManifest)
      for (let count = 0; count < 2; count++) wantStatus(await offerManifest(probe, first), 201)
      const refused = await offerManifest(probe, other)
      const { headers } = await pullManifest(probe, first.digest)
      const type = headers.get('content-type')
      if (type !== first.mediaType) throw new Failure(`Content-Type: ${first.mediaType}`, `${type}`)
      wantStatus(refused, 400)
      if (!new TextDecoder().decode(refused.body).includes(first.mediaType))
        throw new Failure('an error that names the media type that is stored', 'one that does not')
    },
  },
  {
    ...tried('Limits'),
    id: 'hostile-tiny-chunks',
    title: 'a body in chunks of one byte is accepted or refused',
    sentence:
      'A server that keeps each chunk as it arrives needs hundreds of bytes of memory for each byte of the body.',
    needs: ['blob-push-post-put'],
    async run(probe) {
      const bytes = randomContent(PIECES)
      const digest = await digestOf(bytes)
      cleanUpBlob(probe, digest)
      const status = await putInPieces(probe, await startUpload(probe), { bytes, digest })
      if (status >= 400 && status < 500) return
      if (status !== 201) throw new Failure('status 201 or 4xx', `${status}`)
      await wantBlob(probe, digest, bytes)
    },
  },
  {
    ...tried('Limits'),
    id: 'hostile-huge-page',
    title: 'a request for a huge page returns a page, or is rejected',
    sentence: 'If a page is as long as the client asks for, the client decides how much memory it takes.',
    needs: ['manifest-push-by-tag'],
    async run(probe) {
      await pushArtifact(probe, 'v1')
      for (const n of ['1000000000', '2147483648', '9'.repeat(30)]) {
        const page = await probe.send({ method: 'GET', target: `/v2/${probe.repository}/tags/list?n=${n}` })
        if (isRefused(page)) continue
        if (!tagsOf(page).includes('v1')) throw new Failure('a page with the tag', `none for n=${n}`)
      }
    },
  },
  {
    ...tried('Limits'),
    id: 'hostile-artifact-type',
    title: 'a manifest whose artifactType is not a media type is rejected',
    sentence:
      'The image specification requires a media type. Lists repeat it, so any other text appears in them, whatever its length.',
    needs: NEEDS,
    async run(probe) {
      for (const artifactType of ['text', 'a b/c', '<b>/x', `a/${'x'.repeat(100_000)}`]) {
        const { status } = await offerManifest(probe, await makeArtifact(probe, { artifactType }))
        if (status < 400 || status > 499)
          throw new Failure('a status of 4xx', `${status} for ${artifactType.slice(0, 20)}`)
      }
    },
  },
  {
    ...tried('Limits'),
    id: 'hostile-label-terms',
    title: `a label selector of ${TERMS.toLocaleString('en')} terms is rejected`,
    sentence: 'Each term is compared with the labels of each manifest, and all other requests wait for that.',
    needs: NEEDS,
    feature: 'manifest list',
    async run(probe) {
      await pushArtifact(probe, 'v1')
      await needEndpoint(probe, `/v2/${probe.repository}`, MANIFEST_LIST)
      const selector = Array.from({ length: TERMS }, () => 'a').join(',')
      const target = `/v2/${probe.repository}/${MANIFEST_LIST}?labelSelector=${selector}`
      const { status } = await probe.send({ method: 'GET', target })
      if (status < 400 || status > 499) throw new Failure('a status of 4xx', `${status}`)
    },
  },
]

/** Closes an upload with a body whose chunks have one byte each. @returns the status */
async function putInPieces(
  probe: Probe,
  location: string,
  { bytes, digest }: { bytes: Uint8Array; digest: string },
): Promise<number> {
  const url = new URL(withParameter(location, 'digest', digest))
  if (url.origin !== probe.origin) throw new NotSupported('uploads are at another host')
  const headers = [
    hostHeader(probe.origin),
    'Content-Type: application/octet-stream',
    'Transfer-Encoding: chunked',
    'Connection: close',
  ]
  const chunks = Array.from(bytes, (byte) => `1\r\n${String.fromCharCode(byte)}\r\n`)
  const body = `${chunks.join('')}0\r\n\r\n`
  const { statuses } = await probe.sendRaw(rawRequest(`PUT ${url.pathname}${url.search}`, headers, body))
  const [status] = statuses
  if (status === undefined) throw new Failure('an answer', 'none')
  if (status === 401 || status === 403) throw new NotSupported('it needs authorization')
  return status
}
