import { digestOf } from '../../../client/hasher.ts'
import type { Case } from '../../case.ts'
import {
  makeArtifact,
  makeManifest,
  offerManifest,
  type ProbeManifest,
  pullManifest,
  wantPullable,
} from '../../manifest.ts'
import { Failure, NotSupported } from '../../outcome.ts'
import { type Probe, wantStatus } from '../../probe.ts'

const PARAMETERS = {
  group: 'specification',
  level: 'MUST',
  version: 'dev',
  section: 'Pushing Manifests',
  feature: 'tag parameters',
} as const
const NEEDS = ['manifest-push-by-digest', 'manifest-pull-by-tag']

/** Cases of pushing by digest with tags in the query. */
export const tagParameterCases: readonly Case[] = [
  {
    ...PARAMETERS,
    id: 'tag-parameter-header',
    title: 'a manifest can be pushed with several tags in the query, and OCI-Tag lists each of them',
    sentence: 'MUST include an `OCI-Tag` response header [...] for each accepted tag.',
    needs: NEEDS,
    async run(probe) {
      const artifact = await makeArtifact(probe)
      const tags = await pushTags(probe, artifact, ['1', '1.2'])
      for (const tag of ['1', '1.2']) {
        if (tags.includes(tag)) continue
        const pulled = await pullManifest(probe, tag)
        if (pulled.status !== 404) throw new Failure(`${tag} in OCI-Tag, since it was set`, tags.join(', '))
      }
    },
  },
  {
    ...PARAMETERS,
    id: 'tag-parameter-set',
    title: 'each tag in OCI-Tag is set',
    sentence: 'Which would indicate tags `1.2.3`, `1.2`, `1`, and `latest` were created.',
    needs: [...NEEDS, 'tag-parameter-header'],
    async run(probe) {
      const artifact = await makeArtifact(probe)
      for (const tag of await pushTags(probe, artifact, ['1', '1.2']))
        await wantPullable(probe, artifact, tag)
    },
  },
  {
    ...PARAMETERS,
    id: 'tag-parameter-ten',
    level: 'SHOULD',
    title: 'ten tags can be pushed at once',
    sentence: 'SHOULD support pushing at least 10 tags per request.',
    needs: [...NEEDS, 'tag-parameter-header'],
    async run(probe) {
      const wanted = Array.from({ length: 10 }, (_, index) => `tag-${index}`)
      const tags = await pushTags(probe, await makeArtifact(probe), wanted)
      const missing = wanted.filter((tag) => !tags.includes(tag))
      if (missing.length > 0) throw new Failure('ten tags in OCI-Tag', `none for ${missing.join(', ')}`)
    },
  },
  {
    ...PARAMETERS,
    id: 'manifest-sha512',
    level: 'MAY',
    version: '1.0',
    section: 'Pulling manifests',
    feature: 'sha512',
    title: 'a manifest can be pushed and pulled by its sha512 digest',
    sentence:
      'A GET request to an existing manifest URL MUST provide the expected manifest, with a response code that MUST be `200 OK`.',
    needs: NEEDS,
    async run(probe) {
      const manifest = await makeSha512()
      await offerSha512(probe, manifest)
      await wantPullable(probe, manifest)
    },
  },
  {
    ...PARAMETERS,
    id: 'manifest-sha512-tagged',
    level: 'MAY',
    feature: 'sha512',
    title: 'a tag that was pushed with a sha512 digest keeps it',
    sentence:
      'A successful response MUST contain the digest of the uploaded blob or manifest in the header `Docker-Content-Digest`.',
    needs: [...NEEDS, 'manifest-sha512', 'tag-parameter-header'],
    async run(probe) {
      const manifest = await makeSha512()
      await offerSha512(probe, manifest, '?tag=latest')
      const { headers } = await pullManifest(probe, 'latest', { method: 'HEAD' })
      const digest = headers.get('docker-content-digest')
      if (digest !== manifest.digest) throw new Failure(manifest.digest, digest ?? 'no digest')
    },
  },
]

/** Pushes with tags in the query. @returns those in `OCI-Tag`. @throws NotSupported if it sets none of them */
async function pushTags(probe: Probe, manifest: ProbeManifest, wanted: string[]): Promise<string[]> {
  const query = wanted.map((tag) => `tag=${tag}`).join('&')
  const pushed = await offerManifest(probe, manifest, `${manifest.digest}?${query}`)
  if (pushed.status === 400 || pushed.status === 414)
    throw new NotSupported(`tags in the query are refused (${pushed.status})`)
  wantStatus(pushed, 201)
  const header = pushed.headers.get('oci-tag')
  if (header !== null) return header.split(',').map((tag) => tag.trim())
  if ((await pullManifest(probe, wanted[0] ?? '')).status !== 404) return []
  throw new NotSupported('tags in the query are not set')
}

async function makeSha512(): Promise<ProbeManifest> {
  const manifest = await makeManifest(
    { manifests: [], annotations: { random: crypto.randomUUID() } },
    'application/vnd.oci.image.index.v1+json',
  )
  return { ...manifest, digest: await digestOf(manifest.bytes, 'sha512') }
}

async function offerSha512(probe: Probe, manifest: ProbeManifest, query = ''): Promise<void> {
  const { status } = await offerManifest(probe, manifest, manifest.digest + query)
  if (status >= 400 && status < 500) throw new NotSupported(`sha512 is refused (${status})`)
  if (status !== 201) throw new Failure('status 201', `${status}`)
}
