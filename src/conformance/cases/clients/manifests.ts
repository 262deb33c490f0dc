import { digestOf } from '../../../client/hasher.ts'
import { MEDIA_TYPES } from '../../../oci/media-type.ts'
import type { Case } from '../../case.ts'
import { readAllReferrers, readReferrers, referrersTarget } from '../../list.ts'
import {
  descriptorOf,
  makeArtifact,
  makeIndex,
  makeManifest,
  manifestOf,
  manifestTarget,
  offerManifest,
  type ProbeManifest,
  pullManifest,
  pushArtifact,
  pushEmpty,
  pushManifest,
  wantPullable,
} from '../../manifest.ts'
import { Failure, NotSupported } from '../../outcome.ts'
import { type Probe, randomContent, wantHeader, wantStatus } from '../../probe.ts'
import { seenInRow } from './uploads.ts'

const NEEDS = ['manifest-push-by-digest', 'manifest-push-by-tag']
const REFERRERS = {
  feature: 'referrers',
  needs: ['client-subject-missing', 'client-referrers-unknown-repository'],
} as const
const ZEROS = `sha256:${'0'.repeat(64)}`

const manifestCases: readonly Case[] = [
  {
    ...seenInRow(57),
    id: 'client-subject-missing',
    title: 'a manifest and an index can be pushed before their subject',
    sentence:
      'buildx pushes attestations before the image: all of its pushes fail if the subject must already exist.',
    needs: NEEDS,
    async run(probe) {
      const subject = descriptorOf(await makeManifest({ random: crypto.randomUUID() }))
      wantStatus(await offerManifest(probe, await makeArtifact(probe, { subject })), 201)
      wantStatus(await offerManifest(probe, await makeIndex([], { subject })), 201)
    },
  },
  {
    ...seenInRow(59),
    id: 'client-any-type',
    title: 'manifests with unknown media types are accepted',
    sentence:
      'Charts, models and policies have their own types: a registry with a list of allowed types rejects them.',
    needs: NEEDS,
    async run(probe) {
      const empty = await pushEmpty(probe)
      const config = { ...empty, mediaType: 'application/vnd.example.model.config.v3+json' }
      const layers = [{ ...empty, mediaType: 'application/vnd.example.weights' }]
      const artifactType = 'application/vnd.example.model'
      await wantTaken(probe, await makeManifest({ artifactType, config, layers }))
    },
  },
  {
    ...seenInRow(59),
    id: 'client-docker-manifest',
    title: 'Docker manifests are accepted',
    sentence: 'docker with its classic store pushes only manifests of its own types.',
    needs: NEEDS,
    async run(probe) {
      const empty = await pushEmpty(probe)
      const config = { ...empty, mediaType: 'application/vnd.docker.container.image.v1+json' }
      const layers = [{ ...empty, mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip' }]
      const image = await makeManifest({ config, layers }, MEDIA_TYPES.dockerManifest)
      await wantTaken(probe, image)
      const manifests = [{ ...descriptorOf(image), platform: { os: 'linux', architecture: 'amd64' } }]
      await wantTaken(probe, await makeManifest({ manifests }, MEDIA_TYPES.dockerManifestList))
    },
  },
  {
    ...seenInRow(61),
    id: 'client-index-of-blobs',
    title: 'an index may reference blobs',
    sentence:
      'BuildKit pushes its cache as an index of layers: it cannot push one if all entries must be manifests.',
    needs: NEEDS,
    async run(probe) {
      const entry = { ...(await pushEmpty(probe)), mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip' }
      await wantTaken(probe, await makeIndex([entry]))
    },
  },
  {
    ...seenInRow(62),
    id: 'client-without-media-type',
    title: 'a manifest need not contain its media type',
    sentence: 'Manifests of older tools have no mediaType: only the Content-Type says what they are.',
    needs: NEEDS,
    async run(probe) {
      const empty = await pushEmpty(probe)
      const manifest = await manifestOf(JSON.stringify({ schemaVersion: 2, config: empty, layers: [empty] }))
      await wantTaken(probe, manifest)
      wantHeader(await pullManifest(probe, manifest.digest), 'content-type', manifest.mediaType)
    },
  },
  {
    ...seenInRow(63),
    id: 'client-children',
    title: 'the manifests of an index can be pulled by their digests',
    sentence:
      'Attestations are entries of an index and have no tags: they are lost if a registry keeps only tagged manifests.',
    needs: NEEDS,
    async run(probe) {
      const child = await pushArtifact(probe)
      await pushManifest(probe, await makeIndex([descriptorOf(child)]), 'latest')
      await wantPullable(probe, child)
    },
  },
  {
    ...seenInRow(15),
    id: 'client-manifest-streamed',
    title: 'a manifest is accepted without a Content-Length',
    sentence: 'Some clients send manifests with chunked transfer coding: a 411 ends their push.',
    needs: NEEDS,
    async run(probe) {
      const { bytes: body, mediaType, digest } = await makeArtifact(probe)
      const target = manifestTarget(probe, digest)
      probe.cleanUp({ method: 'DELETE', target })
      const headers = { 'Content-Type': mediaType }
      wantStatus(await probe.send({ method: 'PUT', target, headers, body, streamed: true }), 201)
    },
  },
  {
    ...seenInRow(40),
    id: 'client-manifest-again',
    title: 'an existing manifest can be pushed again',
    sentence:
      'Clients repeat a push whose answer was lost, and tag by pushing again: a refusal ends their push.',
    needs: NEEDS,
    async run(probe) {
      const artifact = await pushArtifact(probe)
      wantStatus(await offerManifest(probe, artifact), 201)
      wantStatus(await offerManifest(probe, artifact, 'again'), 201)
    },
  },
]

const referrerCases: readonly Case[] = [
  {
    ...seenInRow(67),
    ...REFERRERS,
    id: 'client-referrers-unknown-repository',
    title: 'an unknown repository has an empty list of referrers',
    sentence:
      'oras requests the referrers of a digest of zeros before anything is pushed: after a 404, it uses tags instead of referrers.',
    needs: ['client-subject-missing'],
    async run(probe) {
      const answer = await probe.send({ method: 'GET', target: referrersTarget(probe, ZEROS) })
      if (answer.status === 200) return
      const pushed = await offerReferrer(probe)
      await readReferrers(probe, referrersTarget(probe, pushed.subject))
      throw new Failure('status 200', `${answer.status}`)
    },
  },
  {
    ...seenInRow(66),
    ...REFERRERS,
    id: 'client-subject-of-index',
    title: 'the subject of an index is recognized',
    sentence:
      'A client that pushes an index with a subject writes a fallback tag if the response does not confirm the subject.',
    async run(probe) {
      const { subject, header } = await offerReferrer(probe)
      if (header !== subject) throw new Failure(`OCI-Subject: ${subject}`, header ?? 'none')
    },
  },
  {
    ...seenInRow(68),
    id: 'client-subject-listed',
    title: 'a recognized subject has a list of referrers',
    sentence:
      'cosign does not write a fallback tag if the registry recognizes the subject: without a list of referrers, signatures are lost.',
    needs: ['client-subject-missing'],
    async run(probe) {
      const { subject, header } = await offerReferrer(probe)
      if (header === null) throw new NotSupported('no OCI-Subject is sent')
      const target = referrersTarget(probe, subject)
      wantStatus(await probe.send({ method: 'GET', target }), 200)
      if ((await readAllReferrers(probe, subject)).length !== 1) throw new Failure('1 referrer', 'others')
    },
  },
  {
    ...seenInRow(65),
    ...REFERRERS,
    id: 'client-referrers-once',
    title: 'a referrer with two tags is listed once',
    sentence: 'Clients verify a signature twice, or fail, if a referrer is listed once for each of its tags.',
    async run(probe) {
      const { subject, index } = await offerReferrer(probe)
      for (const tag of ['one', 'two']) wantStatus(await offerManifest(probe, index, tag), 201)
      const { length } = await readAllReferrers(probe, subject)
      if (length > 1) throw new Failure('1 referrer', `${length}`)
    },
  },
  {
    ...seenInRow(67),
    ...REFERRERS,
    id: 'client-referrers-type',
    title: 'the list of referrers has the media type of an index and nothing else',
    sentence:
      'crane and cosign compare the complete Content-Type: they find no referrers if it has a charset parameter.',
    async run(probe) {
      const { subject } = await offerReferrer(probe)
      const { answer } = await readReferrers(probe, referrersTarget(probe, subject))
      wantHeader(answer, 'content-type', MEDIA_TYPES.ociIndex)
    },
  },
  {
    ...seenInRow(69),
    ...REFERRERS,
    id: 'client-referrers-deleted',
    title: 'a deleted referrer is not listed',
    sentence: 'Clients pull every listed referrer: if deleted ones are listed, verification fails with 404.',
    async run(probe) {
      const { subject, index } = await offerReferrer(probe)
      const target = manifestTarget(probe, index.digest)
      const { status } = await probe.send({ method: 'DELETE', target })
      if (status !== 202) throw new NotSupported(`manifests are not deleted (${status})`)
      const { length } = await readAllReferrers(probe, subject)
      if (length > 0) throw new Failure('no referrers', `${length}`)
    },
  },
  {
    ...seenInRow(70, 'SHOULD'),
    ...REFERRERS,
    id: 'client-filter-plus',
    title: 'an unencoded plus in an artifact type works as a filter',
    sentence:
      'Clients do not encode the plus of application/vnd.x+json in a query: if it is read as a space, the filter matches nothing.',
    async run(probe) {
      const { subject } = await offerReferrer(probe)
      const target = `${referrersTarget(probe, subject)}?artifactType=application/vnd.example.plus+json`
      const { length } = (await readReferrers(probe, target)).items
      if (length !== 1) throw new Failure('1 referrer', `${length}`)
    },
  },
]

async function offerReferrer(
  probe: Probe,
): Promise<{ subject: string; index: ProbeManifest; header: string | null }> {
  const subject = {
    mediaType: MEDIA_TYPES.ociManifest,
    digest: await digestOf(randomContent(32)),
    size: 1,
  }
  const index = await makeIndex([], { subject, artifactType: 'application/vnd.example.plus+json' })
  const { headers } = await pushManifest(probe, index)
  return { subject: subject.digest, index, header: headers.get('oci-subject') }
}

async function wantTaken(probe: Probe, manifest: ProbeManifest): Promise<void> {
  wantStatus(await offerManifest(probe, manifest), 201)
  await wantPullable(probe, manifest)
}

/** What clients need of manifests and of what refers to them. */
export const clientManifestCases: readonly Case[] = [...manifestCases, ...referrerCases]
