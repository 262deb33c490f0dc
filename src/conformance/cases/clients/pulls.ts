import { askForBlob, blobPath } from '../../blob.ts'
import type { Case } from '../../case.ts'
import {
  makeIndex,
  manifestTarget,
  offerManifest,
  pullManifest,
  pushArtifact,
  wantPullable,
} from '../../manifest.ts'
import { Failure } from '../../outcome.ts'
import { randomContent, requireHeader, wantBody, wantHeader, wantStatus } from '../../probe.ts'
import { pushBlob } from '../../upload.ts'
import { seenInRow, wantCode } from './uploads.ts'

/** What clients need to pull. */
export const clientPullCases: readonly Case[] = [
  {
    ...seenInRow(38),
    id: 'client-base-length',
    title: 'the body of the response at /v2/ has the announced length',
    sentence:
      'jib and others hang or fail to parse the response if its body does not have the announced length.',
    needs: [],
    readOnly: true,
    async run(probe) {
      const { body } = await probe.send({ method: 'GET', target: '/v2/' })
      const head = await probe.send({ method: 'HEAD', target: '/v2/' })
      const length = head.headers.get('content-length')
      if (head.status === 200 && length !== null && Number(length) !== body.length)
        throw new Failure(`${body.length} bytes`, `${length} bytes`)
    },
  },
  {
    ...seenInRow(46),
    id: 'client-head-manifest',
    title: 'HEAD of a manifest has its length, type and digest',
    sentence:
      'containerd, crane and oras resolve a tag by HEAD: if one of the three headers is missing, they fail or download the manifest twice.',
    async run(probe) {
      const { size, mediaType, digest } = await pushArtifact(probe, 'latest')
      const head = await pullManifest(probe, 'latest', { method: 'HEAD' })
      wantStatus(head, 200)
      wantHeader(head, 'content-length', `${size}`)
      wantHeader(head, 'content-type', mediaType)
      wantHeader(head, 'docker-content-digest', digest)
    },
  },
  {
    ...seenInRow(49),
    id: 'client-head-blob',
    title: 'HEAD of a blob has its length',
    sentence:
      'podman and oras use HEAD to find out whether a blob exists and how long it is: without a length, they fail or push it again.',
    async run(probe) {
      const digest = await pushBlob(probe, randomContent(1234))
      const head = await askForBlob(probe, digest, { method: 'HEAD' })
      wantStatus(head, 200)
      wantHeader(head, 'content-length', '1234')
    },
  },
  {
    ...seenInRow(56),
    id: 'client-head-and-get',
    title: 'HEAD and GET of a blob agree in every repository',
    sentence:
      'If HEAD finds a blob of another repository that GET does not, clients skip blobs that they should push.',
    async run(probe) {
      const digest = await pushBlob(probe, randomContent(64), probe.otherRepository)
      await pushBlob(probe, randomContent(64))
      const target = blobPath(probe.repository, digest)
      const head = await probe.send({ method: 'HEAD', target })
      const { status } = await probe.send({ method: 'GET', target })
      if (head.status !== status) throw new Failure(`${head.status} as in the response to HEAD`, `${status}`)
    },
  },
  {
    ...seenInRow(44),
    id: 'client-range-from-zero',
    title: 'a whole blob can be requested as the range bytes=0-',
    sentence: 'containerd requests a blob from its first byte on: a 400 ends the pull.',
    async run(probe) {
      const bytes = randomContent(2000)
      const digest = await pushBlob(probe, bytes)
      const pulled = await askForBlob(probe, digest, { headers: { Range: 'bytes=0-' } })
      wantStatus(pulled, 200, 206)
      wantBody(pulled, bytes)
    },
  },
  {
    ...seenInRow(45),
    id: 'client-range-resumed',
    title: 'a request for the rest of a blob returns that range, or the whole blob',
    sentence:
      'A client that resumes a download and gets other bytes than requested ends up with a wrong digest.',
    async run(probe) {
      const bytes = randomContent(2000)
      const digest = await pushBlob(probe, bytes)
      const pulled = await askForBlob(probe, digest, { headers: { Range: 'bytes=500-' } })
      wantStatus(pulled, 200, 206)
      wantBody(pulled, pulled.status === 206 ? bytes.subarray(500) : bytes)
      if (pulled.status === 206) wantHeader(pulled, 'content-range', 'bytes 500-1999/2000')
      else if (pulled.headers.has('content-range')) throw new Failure('no Content-Range', 'one on the whole')
    },
  },
  {
    ...seenInRow(41),
    id: 'client-range-several',
    title: 'a request for several ranges does not fail',
    sentence:
      'podman requests many ranges of a layer at once: 416 or 501 ends its pull, while 200, 206 and 400 do not.',
    async run(probe) {
      const digest = await pushBlob(probe, randomContent(2000))
      const pulled = await askForBlob(probe, digest, { headers: { Range: 'bytes=0-99,500-599' } })
      wantStatus(pulled, 200, 206, 400)
    },
  },
  {
    ...seenInRow(47),
    id: 'client-no-encoding',
    title: 'content is never compressed in transit',
    sentence:
      'Clients that accept any coding check the bytes as they arrive: if these are compressed, sizes, digests and ranges are wrong.',
    async run(probe) {
      const headers = { 'Accept-Encoding': 'zstd;q=1.0, gzip;q=0.8, deflate;q=0.5' }
      await pushArtifact(probe, 'latest', { annotations: { long: 'x'.repeat(20_000) } })
      const digest = await pushBlob(probe, new Uint8Array(20_000).fill(120))
      for (const answer of [
        await pullManifest(probe, 'latest', { headers }),
        await askForBlob(probe, digest, { headers }),
      ]) {
        const coding = answer.headers.get('content-encoding')
        if (coding !== null && coding !== 'identity') throw new Failure('no Content-Encoding', coding)
      }
    },
  },
  {
    ...seenInRow(53),
    id: 'client-accept-any',
    title: 'a manifest can be pulled without an Accept header',
    sentence:
      'Registry browsers and scripts do not send an Accept header: they find nothing if OCI manifests are hidden from them.',
    async run(probe) {
      const artifact = await pushArtifact(probe, 'latest')
      wantStatus(await pullManifest(probe, 'latest', { headers: { Accept: '*/*' } }), 200)
      await wantPullable(probe, artifact, 'latest')
    },
  },
  {
    ...seenInRow(54, 'SHOULD'),
    id: 'client-accept-other',
    title: 'a manifest is returned as it was pushed, whatever the Accept header',
    sentence: 'A 406, or a converted manifest, breaks signatures and every pull by digest.',
    async run(probe) {
      const { bytes } = await pushArtifact(probe, 'latest')
      const headers = { Accept: 'application/vnd.docker.distribution.manifest.v2+json' }
      const pulled = await pullManifest(probe, 'latest', { headers })
      wantStatus(pulled, 200)
      wantBody(pulled, bytes)
    },
  },
  {
    ...seenInRow(50),
    id: 'client-digest-of-tag',
    title: 'the digest of a tag can be pulled',
    sentence:
      'Clients resolve a tag to a digest and pull by it: if manifests are converted on the fly, that digest does not exist.',
    async run(probe) {
      const artifact = await pushArtifact(probe, 'latest')
      const head = await pullManifest(probe, 'latest', { method: 'HEAD' })
      await wantPullable(probe, artifact, requireHeader(head, 'docker-content-digest'))
    },
  },
  {
    ...seenInRow(51),
    id: 'client-digest-stays',
    title: 'a manifest remains when its tag moves',
    sentence:
      'A deployment that is pinned to a digest must still work tomorrow: if a digest is found only through its tag, it is lost with the next push.',
    async run(probe) {
      const first = await pushArtifact(probe, 'latest')
      await pushArtifact(probe, 'latest')
      await wantPullable(probe, first)
    },
  },
  {
    ...seenInRow(52),
    id: 'client-media-type',
    title: 'an index keeps its media type',
    sentence:
      'If the type is application/octet-stream, containerd cannot unpack the content or distinguish an index from an image.',
    async run(probe) {
      const index = await makeIndex([])
      wantStatus(await offerManifest(probe, index, 'latest'), 201)
      for (const method of ['GET', 'HEAD'] as const)
        wantHeader(await pullManifest(probe, 'latest', { method }), 'content-type', index.mediaType)
    },
  },
  {
    ...seenInRow(76, 'SHOULD'),
    id: 'client-error-body',
    title: 'a 404 has an error body',
    sentence:
      'Clients use the code in the body to distinguish "not found" from "not a registry": without it, they give up or ask for a login.',
    async run(probe) {
      await pushArtifact(probe, 'latest')
      wantCode(await pullManifest(probe, 'absent'), 'MANIFEST_UNKNOWN')
      wantCode(await askForBlob(probe, `sha256:${'0'.repeat(64)}`), 'BLOB_UNKNOWN')
    },
  },
  {
    ...seenInRow(85, 'SHOULD'),
    id: 'client-encoded-name',
    title: 'the slashes of a name may be percent-encoded',
    sentence:
      "Azure's SDKs and Portainer encode the slashes of a name as %2F: they cannot use repositories with slashes if the registry does not decode them.",
    async run(probe) {
      const index = await makeIndex([])
      const inner = `${probe.repository}/inner`
      wantStatus(await offerManifest(probe, index, 'latest', inner), 201)
      for (const name of [encodeURIComponent(inner), encodeURIComponent(inner).toLowerCase()]) {
        const target = manifestTarget(probe, 'latest', name)
        const pulled = await probe.send({ method: 'GET', target, headers: { Accept: index.mediaType } })
        wantStatus(pulled, 200)
        wantBody(pulled, index.bytes)
      }
    },
  },
]
