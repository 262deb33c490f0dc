import { digestOf } from '../../../client/hasher.ts'
import type { Case } from '../../case.ts'
import type { ProbeAnswer } from '../../exchange.ts'
import { manifestTarget, pullManifest, pushArtifact } from '../../manifest.ts'
import { NotSupported } from '../../outcome.ts'
import { type Probe, randomContent, wantStatus } from '../../probe.ts'

const DELETING = {
  group: 'specification',
  level: 'MUST',
  version: '1.0',
  section: 'Deleting Manifests',
  feature: 'delete manifests',
  needs: ['manifest-push-by-digest', 'manifest-push-by-tag', 'manifest-pull-by-digest'],
} as const
const TAGS = { ...DELETING, section: 'Deleting tags', feature: 'delete tags' } as const

/** Cases of deleting manifests and tags. */
export const manifestDeletionCases: readonly Case[] = [
  {
    ...DELETING,
    id: 'manifest-delete',
    title: 'a manifest can be deleted, or the deletion is refused with 400 or 405',
    sentence:
      'Upon success, the registry MUST respond with a `202 Accepted` code. [...] If manifest deletion is disabled, the registry MUST respond with either a `400 Bad Request` or a `405 Method Not Allowed`.',
    async run(probe) {
      const { digest } = await pushArtifact(probe)
      await remove(probe, digest)
    },
  },
  {
    ...DELETING,
    id: 'manifest-delete-gone',
    title: 'a deleted manifest is not found',
    sentence: 'Once deleted, a `GET` to `/v2/<name>/manifests/<digest>` [...] will return a 404.',
    needs: [...DELETING.needs, 'manifest-delete'],
    async run(probe) {
      await pushArtifact(probe)
      const { digest } = await pushArtifact(probe)
      await remove(probe, digest)
      wantStatus(await pullManifest(probe, digest), 404)
    },
  },
  {
    ...DELETING,
    id: 'manifest-delete-tags-gone',
    title: 'the tags of a deleted manifest are not found',
    sentence:
      'Once deleted, a `GET` to `/v2/<name>/manifests/<digest>` and any tag pointing to that digest will return a 404.',
    needs: [...DELETING.needs, 'manifest-delete'],
    async run(probe) {
      await pushArtifact(probe)
      const { digest } = await pushArtifact(probe, 'latest')
      await remove(probe, digest)
      wantStatus(await pullManifest(probe, 'latest'), 404)
    },
  },
  {
    ...DELETING,
    id: 'manifest-delete-unknown-repository',
    title: 'a deletion in a repository that does not exist returns not found',
    sentence: 'If the repository does not exist, the response MUST return `404 Not Found`.',
    needs: [],
    async run(probe) {
      const target = manifestTarget(probe, await digestOf(randomContent(32)))
      wantStatus(refusedOr(await probe.send({ method: 'DELETE', target })), 404)
    },
  },
  {
    ...TAGS,
    id: 'tag-delete',
    title: 'a tag can be deleted, or the deletion is refused with 400 or 405',
    sentence:
      'Upon success, the registry MUST respond with a `202 Accepted` code. If tag deletion is disabled, the registry MUST respond with either a `400 Bad Request` or a `405 Method Not Allowed`.',
    async run(probe) {
      await pushArtifact(probe, 'latest')
      await remove(probe, 'latest')
    },
  },
  {
    ...TAGS,
    id: 'tag-delete-gone',
    title: 'a deleted tag is not found',
    sentence: 'Once deleted, a `GET` to `/v2/<name>/manifests/<tag>` will return a 404.',
    needs: [...TAGS.needs, 'tag-delete'],
    async run(probe) {
      await pushArtifact(probe, 'kept')
      await pushArtifact(probe, 'latest')
      await remove(probe, 'latest')
      wantStatus(await pullManifest(probe, 'latest'), 404)
      wantStatus(await pullManifest(probe, 'kept'), 200)
    },
  },
]

async function remove(probe: Probe, reference: string): Promise<void> {
  const target = manifestTarget(probe, reference)
  wantStatus(refusedOr(await probe.send({ method: 'DELETE', target })), 202)
}

function refusedOr(answer: ProbeAnswer): ProbeAnswer {
  if (answer.status === 400 || answer.status === 405)
    throw new NotSupported(`deletion is disabled (${answer.status})`)
  return answer
}
