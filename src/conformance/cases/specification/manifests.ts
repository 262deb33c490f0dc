import { digestOf } from '../../../client/hasher.ts'
import type { Case } from '../../case.ts'
import type { ProbeAnswer } from '../../exchange.ts'
import { makeImage, pullManifest, pushArtifact, pushManifest, wantPullable } from '../../manifest.ts'
import { Failure } from '../../outcome.ts'
import { randomContent, requireHeader, wantHeader, wantStatus } from '../../probe.ts'
import { manifestContentCases } from './manifest-contents.ts'
import { manifestDeletionCases } from './manifest-deletions.ts'
import { manifestPushCases, manifestSizeCases } from './manifest-pushes.ts'

const PULLING = {
  group: 'specification',
  level: 'MUST',
  version: '1.0',
  section: 'Pulling manifests',
  needs: ['manifest-push-by-digest', 'manifest-push-by-tag'],
} as const
const CHECKING = { ...PULLING, section: 'Checking if content exists in the registry' } as const
const UNKNOWN = 'If the manifest is not found in the repository, the response code MUST be `404 Not Found`.'

const pullCases: readonly Case[] = [
  {
    ...PULLING,
    id: 'manifest-pull-by-digest',
    title: 'a manifest can be pulled by its digest',
    sentence:
      'A GET request to an existing manifest URL MUST provide the expected manifest, with a response code that MUST be `200 OK`.',
    async run(probe) {
      const image = await makeImage(probe)
      await pushManifest(probe, image)
      await wantPullable(probe, image)
    },
  },
  {
    ...PULLING,
    id: 'manifest-pull-by-tag',
    title: 'a manifest can be pulled by its tag',
    sentence:
      'A GET request to an existing manifest URL MUST provide the expected manifest, with a response code that MUST be `200 OK`.',
    async run(probe) {
      const image = await makeImage(probe)
      await pushManifest(probe, image, 'latest')
      await wantPullable(probe, image, 'latest')
    },
  },
  {
    ...PULLING,
    id: 'manifest-pull-moved-tag',
    title: 'after a tag is pushed again, it pulls the newest manifest',
    sentence: 'A GET request to an existing manifest URL MUST provide the expected manifest',
    needs: ['manifest-pull-by-tag'],
    async run(probe) {
      await pushArtifact(probe, 'latest')
      const second = await pushArtifact(probe, 'latest')
      await wantPullable(probe, second, 'latest')
    },
  },
  {
    ...PULLING,
    id: 'manifest-pull-content-type',
    needs: ['manifest-pull-by-tag'],
    level: 'SHOULD',
    title: 'a manifest is pulled with the media type that it was pushed with',
    sentence:
      "The `Content-Type` header SHOULD match what the client pushed as the manifest's `Content-Type`.",
    async run(probe) {
      const artifact = await pushArtifact(probe, 'latest')
      const type = requireHeader(await pullManifest(probe, 'latest'), 'content-type')
      const bare = type.split(';', 1)[0]?.trim()
      if (bare !== artifact.mediaType) throw new Failure(`Content-Type: ${artifact.mediaType}`, type)
    },
  },
  {
    ...PULLING,
    id: 'manifest-pull-content-type-bare',
    needs: ['manifest-pull-by-tag'],
    level: 'SHOULD',
    version: '1.1',
    title: 'the Content-Type of a manifest has no parameters',
    sentence: 'The registry SHOULD NOT include parameters on the `Content-Type` header.',
    async run(probe) {
      await pushArtifact(probe, 'latest')
      const type = (await pullManifest(probe, 'latest')).headers.get('content-type') ?? ''
      if (type.includes(';')) throw new Failure('a Content-Type without parameters', type)
    },
  },
  {
    ...PULLING,
    id: 'manifest-pull-digest',
    needs: ['manifest-pull-by-tag', 'manifest-pull-by-digest'],
    version: 'dev',
    title: 'a pulled manifest has its digest in a header',
    sentence:
      'A successful response MUST contain the digest of the uploaded blob in the header `Docker-Content-Digest`.',
    async run(probe) {
      const { digest } = await pushArtifact(probe, 'latest')
      requireHeader(await pullManifest(probe, 'latest'), 'docker-content-digest')
      requireHeader(await pullManifest(probe, digest), 'docker-content-digest')
    },
  },
  {
    ...PULLING,
    id: 'manifest-pull-digest-right',
    needs: ['manifest-pull-by-tag', 'manifest-pull-by-digest'],
    title: 'the digest in the header is the digest of the manifest',
    sentence:
      'The `Docker-Content-Digest` header, if present on the response, returns the digest of the uploaded blob which MAY differ from the provided digest.',
    async run(probe) {
      const { digest, bytes } = await pushArtifact(probe, 'latest')
      for (const reference of ['latest', digest])
        await wantRightDigest(await pullManifest(probe, reference), bytes)
    },
  },
  {
    ...PULLING,
    id: 'manifest-pull-unknown-digest',
    title: 'a manifest with an unknown digest is not found',
    sentence: UNKNOWN,
    async run(probe) {
      await pushArtifact(probe)
      wantStatus(await pullManifest(probe, await digestOf(randomContent(32))), 404)
    },
  },
  {
    ...PULLING,
    id: 'manifest-pull-unknown-tag',
    title: 'a manifest with an unknown tag is not found',
    sentence: UNKNOWN,
    async run(probe) {
      await pushArtifact(probe)
      wantStatus(await pullManifest(probe, 'absent'), 404)
    },
  },
  {
    ...PULLING,
    id: 'manifest-pull-unknown-repository',
    title: 'nothing is found in a repository that does not exist',
    section: 'Pushing Manifests',
    sentence: 'An attempt to pull a nonexistent repository MUST return response code `404 Not Found`.',
    needs: [],
    async run(probe) {
      wantStatus(await pullManifest(probe, 'latest'), 404)
    },
  },
]

const headCases: readonly Case[] = [
  {
    ...CHECKING,
    id: 'manifest-head-by-digest',
    title: 'HEAD by digest reports that a manifest exists',
    sentence: 'A HEAD request to an existing blob or manifest URL MUST return `200 OK`.',
    async run(probe) {
      const { digest } = await pushArtifact(probe)
      wantStatus(await pullManifest(probe, digest, { method: 'HEAD' }), 200)
    },
  },
  {
    ...CHECKING,
    id: 'manifest-head-by-tag',
    title: 'HEAD by tag reports that a manifest exists',
    sentence: 'A HEAD request to an existing blob or manifest URL MUST return `200 OK`.',
    async run(probe) {
      await pushArtifact(probe, 'latest')
      wantStatus(await pullManifest(probe, 'latest', { method: 'HEAD' }), 200)
    },
  },
  {
    ...CHECKING,
    id: 'manifest-head-digest',
    needs: ['manifest-head-by-tag'],
    version: 'dev',
    title: 'HEAD of a manifest has its digest in a header',
    sentence:
      'A successful response MUST contain the digest of the uploaded blob or manifest in the header `Docker-Content-Digest`.',
    async run(probe) {
      const { bytes } = await pushArtifact(probe, 'latest')
      const head = await pullManifest(probe, 'latest', { method: 'HEAD' })
      requireHeader(head, 'docker-content-digest')
      await wantRightDigest(head, bytes)
    },
  },
  {
    ...CHECKING,
    id: 'manifest-head-length',
    needs: ['manifest-head-by-tag'],
    version: 'dev',
    title: 'HEAD of a manifest has its size in a header',
    sentence:
      'A successful response MUST contain the size in bytes of the uploaded blob or manifest in the header `Content-Length`.',
    async run(probe) {
      const { size } = await pushArtifact(probe, 'latest')
      wantHeader(await pullManifest(probe, 'latest', { method: 'HEAD' }), 'content-length', `${size}`)
    },
  },
  {
    ...CHECKING,
    id: 'manifest-head-unknown',
    title: 'HEAD of an unknown manifest is not found',
    sentence:
      'If the blob or manifest is not found in the repository, the response code MUST be `404 Not Found`.',
    async run(probe) {
      await pushArtifact(probe)
      wantStatus(await pullManifest(probe, 'absent', { method: 'HEAD' }), 404)
      wantStatus(await pullManifest(probe, await digestOf(randomContent(32)), { method: 'HEAD' }), 404)
    },
  },
]

async function wantRightDigest(answer: ProbeAnswer, bytes: Uint8Array): Promise<void> {
  const found = answer.headers.get('docker-content-digest')
  if (found === null) return
  const wanted = await digestOf(bytes, found.startsWith('sha512:') ? 'sha512' : 'sha256')
  if (found !== wanted) throw new Failure(`Docker-Content-Digest: ${wanted}`, found)
}

/** Cases of pulling manifests and of asking for them. */
export const manifestPullCases: readonly Case[] = [...pullCases, ...headCases]

/** Cases of manifests: pulling, pushing, deleting them, and what they may hold. */
export const manifestCases: readonly Case[] = [
  ...manifestPullCases,
  ...manifestPushCases,
  ...manifestSizeCases,
  ...manifestContentCases,
  ...manifestDeletionCases,
]
