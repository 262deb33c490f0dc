import type { Case } from '../../case.ts'
import { descriptorOf, makeIndex, type ProbeManifest, pushArtifact, pushManifest } from '../../manifest.ts'
import { type Probe, requireHeader } from '../../probe.ts'
import { ask, listEntries, pushLabelled, wantValues } from '../../stowage.ts'

const PATH = 'manifests/list'
const SIGNATURE = 'application/vnd.example.signature.v1+json'

const FILTER = {
  group: 'extensions',
  level: 'MUST',
  version: '1.1',
  section: 'Stowage, "Manifest list"',
  feature: 'manifest list',
  needs: ['manifest-list'],
} as const

/** Cases of filters, each of which must list what fits and nothing else. */
export const manifestFilterCases: readonly Case[] = [
  {
    ...FILTER,
    id: 'manifest-filter-tag',
    title: 'manifests are filtered by a pattern of tags',
    sentence:
      'That have a tag that matches this pattern: `*` matches any characters, `?` matches one character, `[abc]` and `[a-c]` match one of these characters, and `[!a-c]` matches any other character.',
    async run(probe) {
      const release = await pushArtifact(probe, 'v1.2')
      const nightly = await pushArtifact(probe, 'nightly-7')
      await pushArtifact(probe)
      await wantListed(probe, '?tag=nightly-*', [nightly])
      await wantListed(probe, '?tag=v?.[1-3]', [release])
      await wantListed(probe, '?tag=[!v]*', [nightly])
      await wantListed(probe, '?tag=v1', [])
    },
  },
  {
    ...FILTER,
    id: 'manifest-filter-untagged',
    title: 'a manifest is untagged if no tag reaches it, directly, through an index, or as a referrer',
    sentence:
      'That no tag reaches, whether directly, through an index, or as a referrer of something that a tag reaches.',
    async run(probe) {
      const child = await pushArtifact(probe)
      await pushManifest(probe, await makeIndex([descriptorOf(child)]), 'v1')
      const signature = await pushArtifact(probe, undefined, { subject: descriptorOf(child) })
      await pushArtifact(probe, undefined, { subject: descriptorOf(signature) })
      const lone = await pushArtifact(probe)
      const ofLone = await pushArtifact(probe, undefined, { subject: descriptorOf(lone) })
      await wantListed(probe, '?untagged=true', [lone, ofLone])
    },
  },
  {
    ...FILTER,
    id: 'manifest-filter-type',
    title: 'manifests are filtered by artifact type and media type, one of several if they are repeated',
    sentence: 'Of this artifact type; if the parameter is repeated, of one of these types.',
    async run(probe) {
      const artifact = await pushArtifact(probe)
      const signature = await pushArtifact(probe, undefined, { artifactType: SIGNATURE })
      const index = await makeIndex([descriptorOf(artifact)])
      await pushManifest(probe, index)
      const types = [SIGNATURE, 'application/vnd.example.conformance'].map(encodeURIComponent)
      await wantListed(probe, `?artifactType=${types[0]}`, [signature])
      await wantListed(probe, `?artifactType=${types.join('&artifactType=')}`, [artifact, signature])
      await wantListed(probe, `?mediaType=${encodeURIComponent(index.mediaType)}`, [index])
    },
  },
  {
    ...FILTER,
    id: 'manifest-filter-annotation',
    title: 'manifests are filtered by an annotation, or by one with its value',
    sentence:
      'That have this annotation, given as `key` or `key=value`; if the parameter is repeated, that have all of these annotations.',
    async run(probe) {
      const annotated = async (annotations: object) => await pushArtifact(probe, undefined, { annotations })
      const one = await annotated({ team: 'one', random: crypto.randomUUID() })
      const two = await annotated({ team: 'two', stage: 'test', random: crypto.randomUUID() })
      await annotated({ random: crypto.randomUUID() })
      await wantListed(probe, '?annotation=team', [one, two])
      await wantListed(probe, '?annotation=team%3Done', [one])
      await wantListed(probe, '?annotation=team&annotation=stage%3Dtest', [two])
    },
  },
  {
    ...FILTER,
    id: 'manifest-filter-label',
    title: 'images are filtered by the labels of their config, in the syntax of Kubernetes',
    sentence:
      'A label selector has the syntax of Kubernetes: requirements separated by commas, all of which must hold.',
    async run(probe) {
      const release = await pushLabelled(probe, { build: 'release', 'com.example.team': 'one' })
      const nightly = await pushLabelled(probe, { build: 'nightly' })
      const plain = await pushLabelled(probe, {})
      for (const [selector, wanted] of Object.entries({
        'build=nightly': [nightly],
        'build!=nightly': [release, plain],
        'build in (nightly, release)': [release, nightly],
        'build notin (nightly)': [release, plain],
        'com.example.team': [release],
        '!build': [plain],
        'build,build!=nightly': [release],
      }))
        await wantListed(probe, `?labelSelector=${encodeURIComponent(selector)}`, wanted)
    },
  },
  {
    ...FILTER,
    id: 'manifest-filter-subject',
    title: 'referrers are listed by the digest of their subject',
    sentence: 'That are referrers of this digest.',
    async run(probe) {
      const [subject, other] = [await pushArtifact(probe, 'v1'), await pushArtifact(probe, 'v2')]
      const signature = await pushArtifact(probe, undefined, { subject: descriptorOf(subject) })
      await pushArtifact(probe, undefined, { subject: descriptorOf(other) })
      await wantListed(probe, `?subject=${subject.digest}`, [signature])
    },
  },
  {
    ...FILTER,
    id: 'manifest-filter-platform',
    title: 'images are filtered by platform',
    sentence: 'For this platform, such as `linux/arm/v7`; `linux/arm` takes any variant.',
    async run(probe) {
      const amd = await pushLabelled(probe, {}, { architecture: 'amd64' })
      const arm = await pushLabelled(probe, {}, { architecture: 'arm64' })
      await wantListed(probe, '?platform=linux/arm64', [arm])
      await wantListed(probe, '?platform=linux/amd64', [amd])
    },
  },
  {
    ...FILTER,
    id: 'manifest-filter-time',
    title: 'manifests are filtered by when they were pushed and pulled',
    sentence:
      'That were first pushed before or after this time, in the format of RFC 3339 [...] a manifest that was never pulled counts as pulled when it was pushed',
    async run(probe) {
      const artifact = await pushArtifact(probe)
      for (const filter of ['pushedBefore', 'pulledBefore']) {
        await wantListed(probe, `?${filter}=2000-01-01T00:00:00Z`, [])
        await wantListed(probe, `?${filter}=2999-01-01T00:00:00Z`, [artifact])
      }
      await wantListed(probe, '?pushedAfter=2000-01-01T00:00:00Z', [artifact])
      await wantListed(probe, '?pushedAfter=2999-01-01T00:00:00Z', [])
    },
  },
  {
    ...FILTER,
    id: 'manifest-filters-applied',
    title: 'the response names the filters that were applied',
    sentence:
      'The list has only the manifests that match all filters, and `OCI-Filters-Applied` names the filters.',
    async run(probe) {
      await pushArtifact(probe, 'v1')
      const listed = await ask(probe, PATH, { query: '?untagged=true&annotation=org.example.random&n=5' })
      const applied = requireHeader(listed, 'OCI-Filters-Applied').split(',')
      wantValues(
        applied.map((name) => name.trim()).sort(),
        ['annotation', 'untagged'],
        'as OCI-Filters-Applied',
      )
    },
  },
]

async function wantListed(probe: Probe, query: string, wanted: readonly ProbeManifest[]): Promise<void> {
  const found = (await listEntries(probe, PATH, { field: 'manifests', query })).map(({ digest }) => digest)
  wantValues(
    found,
    wanted.map(({ digest }) => digest),
    `for ${query}`,
  )
}
