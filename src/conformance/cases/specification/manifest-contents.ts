import { digestOf } from '../../../client/hasher.ts'
import type { Case } from '../../case.ts'
import {
  descriptorOf,
  makeArtifact,
  makeImage,
  makeIndex,
  makeManifest,
  type ProbeManifest,
  pushArtifact,
  pushEmpty,
  pushManifest,
  wantPullable,
} from '../../manifest.ts'
import { type Probe, randomContent } from '../../probe.ts'

/** Cases of what manifests may hold. All are of the image specification, which this one builds on. */
const CONTENT = {
  group: 'specification',
  level: 'MUST',
  version: '1.0',
  needs: ['manifest-push-by-digest', 'manifest-pull-by-digest'],
} as const
const EMPTY_LAYERS =
  'The uploaded manifest MUST reference any blobs that make up the object. However, the list of blobs MAY be empty.'
const ENCOUNTERED =
  'An encountered `mediaType` that is unknown to the implementation MUST NOT generate an error.'
const INDEX = 'OCI Image Index Specification, "Image Index Property Descriptions"'
const MANIFEST = 'OCI Image Manifest Specification, "Image Manifest Property Descriptions"'

/** Cases of what manifests may hold. */
export const manifestContentCases: readonly Case[] = [
  {
    ...CONTENT,
    id: 'manifest-without-layers',
    title: 'a manifest may have no layers',
    section: 'Pushing Manifests',
    sentence: EMPTY_LAYERS,
    async run(probe) {
      await pushAndPull(probe, await makeManifest({ config: await pushEmpty(probe), layers: [] }))
    },
  },
  {
    ...CONTENT,
    id: 'manifest-index',
    title: 'an index of images can be pushed and pulled',
    section: INDEX,
    sentence:
      'Implementations MUST support at least the following media types: `application/vnd.oci.image.manifest.v1+json`',
    async run(probe) {
      const children = [await makeImage(probe), await makeImage(probe)]
      for (const child of children) await pushManifest(probe, child)
      const platforms = ['amd64', 'arm64'].map((architecture) => ({ os: 'linux', architecture }))
      const entries = children.map((child, at) => ({ ...descriptorOf(child), platform: platforms[at] }))
      await pushAndPull(probe, await makeIndex(entries))
    },
  },
  {
    ...CONTENT,
    id: 'manifest-nested-index',
    level: 'SHOULD',
    title: 'an index may contain indexes',
    section: INDEX,
    sentence:
      'Also, implementations SHOULD support the following media types: `application/vnd.oci.image.index.v1+json` (nested index)',
    async run(probe) {
      const inner = await makeIndex([descriptorOf(await pushArtifact(probe))])
      await pushManifest(probe, inner)
      await pushAndPull(probe, await makeIndex([descriptorOf(inner)]))
    },
  },
  {
    ...CONTENT,
    id: 'manifest-empty-index',
    title: 'an index may be empty',
    section: INDEX,
    sentence: 'While this property MUST be present, the size of the array MAY be zero.',
    async run(probe) {
      await pushAndPull(probe, await makeIndex([]))
    },
  },
  {
    ...CONTENT,
    id: 'manifest-unknown-child-type',
    title: 'an index may contain entries with an unknown media type',
    section: INDEX,
    sentence: ENCOUNTERED,
    async run(probe) {
      const mediaType = 'application/vnd.example.unknown.v7+json'
      await pushAndPull(probe, await makeIndex([{ ...descriptorOf(await pushArtifact(probe)), mediaType }]))
    },
  },
  {
    ...CONTENT,
    id: 'manifest-artifact-type',
    version: '1.1',
    title: 'an artifact may have any type',
    section: MANIFEST,
    sentence:
      'Implementations storing or copying image manifests MUST NOT error on encountering an `artifactType` that is unknown to the implementation.',
    async run(probe) {
      await pushAndPull(
        probe,
        await makeArtifact(probe, { artifactType: 'application/x.example.never-seen' }),
      )
    },
  },
  {
    ...CONTENT,
    id: 'manifest-config-type',
    title: 'a config may have any media type',
    section: MANIFEST,
    sentence:
      'Implementations storing or copying image manifests MUST NOT error on encountering a value that is unknown to the implementation.',
    async run(probe) {
      const config = { ...(await pushEmpty(probe)), mediaType: 'application/vnd.example.config.v7+json' }
      await pushAndPull(probe, await makeArtifact(probe, { config, artifactType: undefined }))
    },
  },
  {
    ...CONTENT,
    id: 'manifest-layer-type',
    title: 'a layer may have any media type',
    section: MANIFEST,
    sentence:
      'Implementations storing or copying image manifests MUST NOT error on encountering a `mediaType` that is unknown to the implementation.',
    async run(probe) {
      const layer = { ...(await pushEmpty(probe)), mediaType: 'text/vnd.example.never-seen' }
      await pushAndPull(probe, await makeArtifact(probe, { layers: [layer] }))
    },
  },
  {
    ...CONTENT,
    id: 'manifest-custom-fields',
    title: 'unknown fields are kept',
    section: 'OCI Image Specification, "Extensibility"',
    sentence:
      'Implementations storing or copying content MUST NOT modify or alter the content in a way that would change the digest of the content.',
    async run(probe) {
      const empty = { ...(await pushEmpty(probe)), 'org.example.own': { deep: [1, null, true] } }
      await pushAndPull(probe, await makeArtifact(probe, { layers: [empty], newField: ['x', { y: 1 }] }))
    },
  },
  {
    ...CONTENT,
    id: 'manifest-data',
    version: '1.1',
    title: 'data embedded in descriptors is kept',
    section: 'OCI Content Descriptors, "Embedded Content"',
    sentence:
      'For example, a registry MUST NOT arbitrarily populate `data` fields within uploaded manifests, as that would modify the content identifier of those manifests.',
    async run(probe) {
      const empty = await pushEmpty(probe)
      await pushAndPull(probe, await makeArtifact(probe, { layers: [empty, { ...empty, data: 'e30=' }] }))
    },
  },
  {
    ...CONTENT,
    id: 'manifest-foreign-layer',
    level: 'SHOULD',
    title: 'a non-distributable layer need not exist',
    section: 'OCI Image Layer Specification, "Non-Distributable Layers"',
    sentence: 'Implementations are expected to support preexisting images with non-distributable layers.',
    async run(probe) {
      const layer = {
        mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
        digest: await digestOf(randomContent(32)),
        size: 123_456,
        urls: ['https://layers.example.org/foreign'],
      }
      await pushAndPull(probe, await makeArtifact(probe, { layers: [layer] }))
    },
  },
]

async function pushAndPull(probe: Probe, manifest: ProbeManifest): Promise<void> {
  await pushManifest(probe, manifest)
  await wantPullable(probe, manifest)
}
