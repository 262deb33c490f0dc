import { digestOf } from '../../../client/hasher.ts'
import { MEDIA_TYPES } from '../../../oci/media-type.ts'
import type { Case } from '../../case.ts'
import type { ProbeAnswer } from '../../exchange.ts'
import { Failure, NotSupported } from '../../outcome.ts'
import { type Existing, type Probe, requireHeader, requireJson, wantStatus } from '../../probe.ts'

const ACCEPT = {
  Accept: [
    MEDIA_TYPES.ociIndex,
    MEDIA_TYPES.ociManifest,
    MEDIA_TYPES.dockerManifestList,
    MEDIA_TYPES.dockerManifest,
  ].join(', '),
}

/** Cases that read what somebody else pushed, where nothing may be pushed. */
export const readingCases: readonly Case[] = [
  reading({
    id: 'read-tag',
    title: 'a manifest can be pulled by its tag',
    section: 'Pulling manifests',
    sentence:
      'A GET request to an existing manifest URL MUST provide the expected manifest, with a response code that MUST be `200 OK`.',
    async run(probe) {
      const pulled = await pull(probe, 'manifests', given(probe, 'tag'))
      await wantDigestHeaderRight(pulled)
    },
  }),
  reading({
    id: 'read-tag-head',
    title: 'HEAD of a tag works',
    section: 'Checking if content exists in the registry',
    sentence: 'A HEAD request to an existing blob or manifest URL MUST return `200 OK`.',
    async run(probe) {
      const target = `/v2/${probe.repository}/manifests/${given(probe, 'tag')}`
      wantStatus(await probe.send({ method: 'HEAD', target, headers: ACCEPT }), 200)
    },
  }),
  reading({
    id: 'read-digest',
    title: 'a manifest can be pulled by its digest and matches it',
    section: 'Pulling manifests',
    sentence:
      'A GET request to an existing manifest URL MUST provide the expected manifest, with a response code that MUST be `200 OK`.',
    async run(probe) {
      const digest = given(probe, 'digest')
      const pulled = await pull(probe, 'manifests', digest)
      await wantDigest(pulled, digest)
      requireJson(pulled)
    },
  }),
  reading({
    id: 'read-blob',
    title: 'a blob can be pulled and matches its digest',
    section: 'Pulling blobs',
    sentence:
      'A GET request to an existing blob URL MUST provide the expected blob, with a response code that MUST be `200 OK`.',
    async run(probe) {
      const digest = given(probe, 'blob')
      await wantDigest(await pull(probe, 'blobs', digest), digest)
    },
  }),
  reading({
    id: 'read-blob-head',
    title: 'HEAD of a blob works',
    section: 'Checking if content exists in the registry',
    sentence: 'A HEAD request to an existing blob or manifest URL MUST return `200 OK`.',
    async run(probe) {
      const target = `/v2/${probe.repository}/blobs/${given(probe, 'blob')}`
      wantStatus(await probe.send({ method: 'HEAD', target }), 200)
    },
  }),
]

function reading(parts: Pick<Case, 'id' | 'title' | 'section' | 'sentence' | 'run'>): Case {
  return { ...parts, group: 'specification', level: 'MUST', version: '1.0', readOnly: true }
}

/** What the case is to read. */
function given({ existing }: Probe, name: Exclude<keyof Existing, 'repository'>): string {
  const found = existing?.[name]
  if (found === undefined) throw new NotSupported(`nothing to read was named with --read-${name}`)
  return found
}

async function pull(probe: Probe, kind: 'manifests' | 'blobs', reference: string): Promise<ProbeAnswer> {
  const target = `/v2/${probe.repository}/${kind}/${reference}`
  const pulled = await probe.send({ method: 'GET', target, ...(kind === 'manifests' && { headers: ACCEPT }) })
  wantStatus(pulled, 200)
  return pulled
}

async function wantDigestHeaderRight(pulled: ProbeAnswer): Promise<void> {
  requireHeader(pulled, 'content-type')
  const told = pulled.headers.get('docker-content-digest')
  if (told !== null) await wantDigest(pulled, told)
}

async function wantDigest({ body }: ProbeAnswer, digest: string): Promise<void> {
  const algorithm = digest.startsWith('sha512:') ? 'sha512' : 'sha256'
  const found = await digestOf(body, algorithm)
  if (found !== digest) throw new Failure(`content of ${digest}`, `content of ${found}`)
}
