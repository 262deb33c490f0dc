import { digestOf } from '../../../client/hasher.ts'
import type { Case } from '../../case.ts'
import type { ProbeAnswer } from '../../exchange.ts'
import {
  ACCEPT,
  descriptorOf,
  makeArtifact,
  makeImage,
  makeIndex,
  makeManifest,
  manifestOf,
  offerManifest,
  type ProbeManifest,
  pullManifest,
  pushEmpty,
  pushManifest,
  wantPullable,
} from '../../manifest.ts'
import { Failure, NotSupported } from '../../outcome.ts'
import { randomContent, requireHeader, wantBody, wantHeader, wantStatus } from '../../probe.ts'
import { tagParameterCases } from './tag-parameters.ts'

const PUSHING = {
  group: 'specification',
  level: 'MUST',
  version: '1.0',
  section: 'Pushing Manifests',
} as const
const NEEDS = ['manifest-push-by-digest', 'manifest-push-by-tag']
const CREATED =
  'Upon a successful upload, the registry MUST return response code `201 Created`, and MUST have the following header: `Location: <location>`.'
const MISSING =
  'When a manifest is rejected for this reason, it MUST result in one or more `MANIFEST_BLOB_UNKNOWN` errors.'
const LONGEST_TAG = `_${'aZ9._-'.repeat(30)}`.slice(0, 128)

const referenceCases: readonly Case[] = [
  {
    ...PUSHING,
    id: 'manifest-push-by-digest',
    title: 'a manifest can be pushed by its digest',
    sentence: CREATED,
    async run(probe) {
      await pushManifest(probe, await makeImage(probe))
    },
  },
  {
    ...PUSHING,
    id: 'manifest-push-by-tag',
    title: 'a manifest can be pushed by a tag',
    sentence: CREATED,
    async run(probe) {
      await pushManifest(probe, await makeImage(probe), 'latest')
    },
  },
  {
    ...PUSHING,
    id: 'manifest-push-location',
    title: 'the response to a pushed manifest has a location',
    sentence: CREATED,
    needs: NEEDS,
    async run(probe) {
      const artifact = await makeArtifact(probe)
      requireHeader(await pushManifest(probe, artifact), 'location')
      requireHeader(await pushManifest(probe, artifact, 'latest'), 'location')
    },
  },
  {
    ...PUSHING,
    id: 'manifest-push-location-pullable',
    title: 'the location of a pushed manifest can be pulled',
    sentence: 'The `<location>` is a pullable manifest URL.',
    needs: [...NEEDS, 'manifest-push-location'],
    async run(probe) {
      const artifact = await makeArtifact(probe)
      for (const reference of [artifact.digest, 'latest']) {
        const location = requireHeader(await pushManifest(probe, artifact, reference), 'location')
        const pulled = await probe.send({ method: 'GET', target: location, headers: { Accept: ACCEPT } })
        wantStatus(pulled, 200)
        wantBody(pulled, artifact.bytes)
      }
    },
  },
  {
    ...PUSHING,
    id: 'manifest-push-digest',
    version: '1.1',
    title: 'the digest in the response to a push is the digest of the manifest',
    sentence:
      'The Docker-Content-Digest header returns the digest of the uploaded blob, and MUST be equal to the client provided digest.',
    needs: NEEDS,
    async run(probe) {
      const artifact = await makeArtifact(probe)
      const pushed = await pushManifest(probe, artifact)
      if (pushed.headers.has('docker-content-digest'))
        wantHeader(pushed, 'docker-content-digest', artifact.digest)
    },
  },
  {
    ...PUSHING,
    id: 'manifest-push-wrong-digest',
    version: '1.1',
    title: 'a manifest is rejected under the digest of another',
    sentence:
      'The Docker-Content-Digest header returns the digest of the uploaded blob, and MUST be equal to the client provided digest.',
    needs: NEEDS,
    async run(probe) {
      const other = await digestOf(randomContent(32))
      wantRefused(await offerManifest(probe, await makeArtifact(probe), other))
    },
  },
  {
    ...PUSHING,
    id: 'manifest-push-malformed-digest',
    title: 'a manifest is rejected under a malformed digest',
    section: 'Pulling manifests',
    sentence: 'The `<tag-or-digest>` MUST NOT be in any other format.',
    needs: NEEDS,
    async run(probe) {
      wantRefused(await offerManifest(probe, await makeArtifact(probe), 'sha256:baddigeststring'))
    },
  },
  {
    ...PUSHING,
    id: 'manifest-push-malformed-tag',
    title: 'a manifest is rejected under a malformed tag',
    section: 'Pulling manifests',
    sentence:
      '`<tag-or-digest>` as a tag [...] MUST match the following regular expression: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`',
    needs: NEEDS,
    async run(probe) {
      const artifact = await makeArtifact(probe)
      for (const tag of ['.hidden', '-option', 'two+parts', 'caf%C3%A9'])
        wantRefused(await offerManifest(probe, artifact, tag))
    },
  },
  {
    ...PUSHING,
    id: 'manifest-push-long-tag',
    title: 'a tag of 129 characters is rejected',
    section: 'Pulling manifests',
    sentence: '`<tag-or-digest>` as a tag MUST be at most 128 characters in length',
    needs: NEEDS,
    async run(probe) {
      wantRefused(await offerManifest(probe, await makeArtifact(probe), `${LONGEST_TAG}x`))
    },
  },
  {
    ...PUSHING,
    id: 'manifest-push-longest-tag',
    title: 'a tag of 128 characters of all allowed kinds is accepted',
    section: 'Pulling manifests',
    sentence:
      '`<tag-or-digest>` as a tag MUST be at most 128 characters in length and MUST match the following regular expression: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`',
    needs: [...NEEDS, 'manifest-pull-by-tag'],
    async run(probe) {
      const artifact = await makeArtifact(probe)
      wantStatus(await offerManifest(probe, artifact, LONGEST_TAG), 201)
      await wantPullable(probe, artifact, LONGEST_TAG)
    },
  },
  {
    ...PUSHING,
    id: 'repository-name',
    title: 'the name of a repository may contain every separator',
    section: 'Pulling manifests',
    sentence: 'Throughout this document, `<name>` MUST match the following regular expression',
    needs: NEEDS,
    async run(probe) {
      const name = `${probe.repository}/a.b_c__d-e---f/0/1x`
      wantStatus(
        await offerManifest(probe, await makeManifest({ manifests: [] }, INDEX), 'latest', name),
        201,
      )
    },
  },
  {
    ...PUSHING,
    id: 'repository-malformed-name',
    title: 'a malformed repository name is rejected',
    section: 'Pulling manifests',
    sentence: 'Throughout this document, `<name>` MUST match the following regular expression',
    needs: NEEDS,
    async run(probe) {
      const index = await makeManifest({ manifests: [] }, INDEX)
      for (const part of ['Upper', 'a..b', 'a._b', 'a___b', '-a', 'a-', 'a+b', 'a%20b'])
        wantRefused(await offerManifest(probe, index, 'latest', `${probe.repository}/${part}`))
    },
  },
]

const INDEX = 'application/vnd.oci.image.index.v1+json'

const bodyCases: readonly Case[] = [
  {
    ...PUSHING,
    id: 'manifest-push-exact-bytes',
    title: 'a manifest is kept byte for byte, however it is formatted',
    sentence: 'The registry MUST store the manifest in the exact byte representation provided by the client.',
    needs: [...NEEDS, 'manifest-pull-by-digest'],
    async run(probe) {
      const { bytes } = await makeArtifact(probe)
      const fields = JSON.parse(new TextDecoder().decode(bytes))
      const odd = { z: 'caf\u00e9 \u{1f433} </script>', number: 1.5e3, ...fields }
      const text = `\n${JSON.stringify(odd, undefined, '\t').replace('1500', '1.50e3').replace('caf', '\\u0063af')}\r\n \n`
      const manifest = await manifestOf(text)
      await pushManifest(probe, manifest)
      await wantPullable(probe, manifest)
    },
  },
  {
    ...PUSHING,
    id: 'manifest-push-content-type-parameters',
    level: 'SHOULD',
    version: '1.1',
    title: 'media type parameters are ignored when a manifest is pushed',
    sentence: 'The registry SHOULD ignore parameters on the `Content-Type` header.',
    needs: [...NEEDS, 'manifest-pull-content-type'],
    async run(probe) {
      const artifact = await makeArtifact(probe)
      const mediaType = `${artifact.mediaType}; charset=utf-8`
      wantStatus(await offerManifest(probe, { ...artifact, mediaType }, 'latest'), 201)
      wantHeader(await pullManifest(probe, 'latest'), 'content-type', artifact.mediaType)
    },
  },
  {
    ...PUSHING,
    id: 'manifest-push-missing-blob',
    version: '1.1',
    title: 'a manifest that is rejected because of a missing blob is rejected with MANIFEST_BLOB_UNKNOWN',
    section: 'Push',
    sentence: MISSING,
    needs: NEEDS,
    async run(probe) {
      const config = await pushEmpty(probe)
      const missing = { ...config, digest: await digestOf(randomContent(32)), size: 32 }
      wantBlobUnknown(await offerManifest(probe, await makeManifest({ config, layers: [missing] })))
    },
  },
  {
    ...PUSHING,
    id: 'manifest-push-missing-manifest',
    version: '1.1',
    title: 'an index that is rejected because of a missing manifest is rejected with MANIFEST_BLOB_UNKNOWN',
    section: 'Push',
    sentence: MISSING,
    needs: NEEDS,
    async run(probe) {
      const missing = descriptorOf(await makeManifest({ annotations: { random: crypto.randomUUID() } }))
      wantBlobUnknown(await offerManifest(probe, await makeIndex([missing])))
    },
  },
]

/** Cases of the size of manifests. */
export const manifestSizeCases: readonly Case[] = [
  {
    ...PUSHING,
    id: 'manifest-push-4-megabytes',
    level: 'SHOULD',
    version: '1.1',
    title: 'a manifest of 4 megabytes is accepted',
    sentence:
      'Client and registry implementations SHOULD expect to be able to support manifest pushes of at least 4 megabytes.',
    needs: NEEDS,
    async run(probe) {
      wantStatus(await offerManifest(probe, await largeIndex(4_000_000)), 201)
    },
  },
  {
    ...PUSHING,
    id: 'manifest-push-too-large',
    level: 'SHOULD',
    version: '1.1',
    title: 'a manifest of 16 MiB is rejected',
    sentence: 'A registry SHOULD enforce some limit on the maximum manifest size that it can accept.',
    needs: NEEDS,
    async run(probe) {
      wantRefused(await offerManifest(probe, await largeIndex(16 * 1024 * 1024)))
    },
  },
  {
    ...PUSHING,
    id: 'manifest-push-too-large-status',
    level: 'SHOULD',
    version: '1.1',
    title: 'a manifest that is too large is rejected with 413',
    sentence:
      'A registry that enforces this limit SHOULD respond to a request to push a manifest over this limit with a response code `413 Payload Too Large`.',
    needs: [...NEEDS, 'manifest-push-too-large'],
    async run(probe) {
      const answer = await offerManifest(probe, await largeIndex(16 * 1024 * 1024))
      if (answer.status === 201) throw new NotSupported('a manifest of 16 MiB is accepted')
      wantStatus(answer, 413)
    },
  },
]

const made = new Map<number, Promise<ProbeManifest>>()

/** An index of exactly this many bytes, made once. */
function largeIndex(size: number): Promise<ProbeManifest> {
  const found = made.get(size) ?? makeLarge(size)
  made.set(size, found)
  return found
}

async function makeLarge(size: number) {
  const text = (fill: number) =>
    JSON.stringify({
      schemaVersion: 2,
      mediaType: INDEX,
      manifests: [],
      annotations: { fill: 'x'.repeat(fill) },
    })
  return await manifestOf(text(size - text(0).length), INDEX)
}

function wantRefused({ status }: ProbeAnswer): void {
  if (status < 400 || status > 499) throw new Failure('a status of 4xx', `${status}`)
}

/** Content that is missing may be refused, and then only in one way. */
function wantBlobUnknown(answer: ProbeAnswer): void {
  if (answer.status === 201) return
  wantRefused(answer)
  const text = new TextDecoder().decode(answer.body)
  if (!text.includes('"MANIFEST_BLOB_UNKNOWN"'))
    throw new Failure('an error MANIFEST_BLOB_UNKNOWN', text.slice(0, 200))
}

/** Cases of pushing manifests. */
export const manifestPushCases: readonly Case[] = [...referenceCases, ...bodyCases, ...tagParameterCases]
