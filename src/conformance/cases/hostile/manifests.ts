import type { Case } from '../../case.ts'
import {
  makeArtifact,
  makeManifest,
  manifestOf,
  manifestTarget,
  offerManifest,
  type ProbeManifest,
  pullManifest,
  pushEmpty,
} from '../../manifest.ts'
import { Failure } from '../../outcome.ts'
import { type Probe, wantStatus } from '../../probe.ts'
import { tried } from './framing.ts'

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const NEEDS = ['manifest-push-by-digest']
const TWO =
  'Two readers of the same digest see different content: one scans one image, the other runs another.'

/** Cases of manifests that two readers could understand differently, or that cost a lot. */
export const hostileManifestCases: readonly Case[] = [
  {
    ...tried('JSON'),
    id: 'hostile-json-none',
    title: 'a manifest that is not a JSON object is rejected',
    sentence: 'Otherwise, only clients that pull the manifest find out that it is unreadable.',
    needs: NEEDS,
    async run(probe) {
      for (const text of ['', 'hello', 'null', '[]', '"{}"', '{"schemaVersion":2', '{} {}'])
        await wantRefused(probe, await manifestOf(text), text)
    },
  },
  {
    ...tried('JSON'),
    id: 'hostile-json-deep',
    title: 'a manifest of 100,000 levels is rejected',
    sentence: 'Recursive parsers run out of stack, in the server or in clients that pull the manifest.',
    needs: NEEDS,
    async run(probe) {
      const deep = `{"schemaVersion":2,"layers":[],"deep":${'['.repeat(100_000)}${']'.repeat(100_000)}}`
      await wantRefused(probe, await manifestOf(deep), '100,000 levels')
    },
  },
  {
    ...tried('JSON'),
    id: 'hostile-json-twice',
    title: 'a manifest with a duplicate field is rejected',
    sentence: `${TWO} The image specification forbids it: objects MUST NOT contain duplicate names.`,
    needs: NEEDS,
    async run(probe) {
      const { config, layers } = await partsOf(probe)
      const text = `{"schemaVersion":2,"mediaType":"${MANIFEST}","config":${config},"layers":[],"layers":${layers}}`
      await wantRefused(probe, await manifestOf(text), '"layers" twice')
      const escaped = text.replace('"layers"', '"\\u006cayers"')
      await wantRefused(probe, await manifestOf(escaped), '"layers" twice, once escaped')
    },
  },
  {
    ...tried('JSON'),
    id: 'hostile-json-case',
    title: 'a manifest with a field name in another case is rejected',
    sentence: `${TWO} Readers written in Go take "Layers" for "layers".`,
    needs: NEEDS,
    async run(probe) {
      const { config, layers } = await partsOf(probe)
      const text = `{"schemaVersion":2,"mediaType":"${MANIFEST}","config":${config},"layers":[],"Layers":${layers}}`
      await wantRefused(probe, await manifestOf(text), '"layers" and "Layers"')
    },
  },
  {
    ...tried('JSON'),
    id: 'hostile-image-and-index',
    title: 'a manifest that is both an image and an index is rejected',
    sentence: `${TWO} It was CVE-2021-41190.`,
    needs: NEEDS,
    async run(probe) {
      const { bytes } = await makeArtifact(probe, { manifests: [] })
      const text = new TextDecoder().decode(bytes)
      await wantRefused(probe, await manifestOf(text), '"layers" and "manifests"')
    },
  },
  {
    ...tried('JSON'),
    id: 'hostile-other-media-type',
    title: 'a manifest whose media type differs from its Content-Type is rejected',
    sentence: `${TWO} It was CVE-2021-41190.`,
    needs: NEEDS,
    async run(probe) {
      const { bytes } = await makeArtifact(probe)
      const index = 'application/vnd.oci.image.index.v1+json'
      await wantRefused(probe, await manifestOf(bytes, index), 'an image as an index')
    },
  },
  {
    ...tried('JSON'),
    id: 'hostile-utf8',
    title: 'a manifest that is not UTF-8 is rejected',
    sentence:
      'Readers decode it differently, so the text that is shown may not be the text that was checked.',
    needs: NEEDS,
    async run(probe) {
      const { bytes } = await makeArtifact(probe, { annotations: { name: 'x~x' } })
      const broken = bytes.map((byte) => (byte === 0x7e ? 0xff : byte))
      await wantRefused(probe, await manifestOf(broken), 'a byte 0xff')
    },
  },
  {
    ...tried('JSON'),
    id: 'hostile-descriptors',
    title: 'a manifest with malformed descriptors is rejected',
    sentence: 'Later readers may use a digest as a path, or a size as the amount of memory to reserve.',
    needs: NEEDS,
    async run(probe) {
      const config = await pushEmpty(probe)
      for (const layer of [
        { ...config, digest: 'sha256:../../../etc/passwd' },
        { ...config, digest: `sha256:${'0'.repeat(63)}` },
        { ...config, digest: 7 },
        { ...config, size: -1 },
        { ...config, size: '2' },
        config.digest,
      ]) {
        const manifest = await makeManifest({ config, layers: [layer] })
        await wantRefused(probe, manifest, JSON.stringify(layer))
      }
    },
  },
  {
    ...tried('Content'),
    id: 'hostile-manifest-page',
    title: 'a manifest that was pushed as HTML is not shown as a page',
    sentence: 'A script that a browser runs from the host of a registry has the rights of the user.',
    needs: NEEDS,
    async run(probe) {
      const text = '{"schemaVersion":2,"manifests":[],"annotations":{"x":"<script>alert(1)</script>"}}'
      const page = await manifestOf(text, 'text/html')
      if ((await offerManifest(probe, page)).status !== 201) return
      const { headers } = await pullManifest(probe, page.digest)
      const isPage = /^text\/html\b/i.test(headers.get('content-type') ?? '')
      const isAlone = /\bsandbox\b/.test(headers.get('content-security-policy') ?? '')
      const isSaved = /^attachment\b/.test(headers.get('content-disposition') ?? '')
      if (isPage && !isAlone && !isSaved) throw new Failure('another type, or a sandbox', 'text/html')
    },
  },
]

/** Cases of manifests that are too large. */
export const hostileSizeCases: readonly Case[] = [
  {
    ...tried('Limits'),
    id: 'hostile-large-manifest',
    title: 'a manifest of 6 MiB is rejected as too large',
    sentence:
      'Clients read at most 4 MiB: no client can use a larger manifest, but each request for it takes memory.',
    needs: NEEDS,
    async run(probe) {
      wantStatus(await offerManifest(probe, await makeLarge()), 413)
    },
  },
  {
    ...tried('Limits'),
    id: 'hostile-large-manifest-streamed',
    title: 'a manifest of 6 MiB without a Content-Length is rejected as too large',
    sentence: 'A limit that only checks Content-Length can be bypassed by omitting it.',
    needs: NEEDS,
    async run(probe) {
      const { digest, bytes: body } = await makeLarge()
      const target = manifestTarget(probe, digest)
      probe.cleanUp({ method: 'DELETE', target })
      const headers = { 'Content-Type': MANIFEST }
      wantStatus(await probe.send({ method: 'PUT', target, headers, body, streamed: true }), 413)
    },
  },
]

async function makeLarge(): Promise<ProbeManifest> {
  return await makeManifest({ layers: [], annotations: { fill: 'x'.repeat(6 * 1024 * 1024) } })
}

async function partsOf(probe: Probe): Promise<{ config: string; layers: string }> {
  const config = JSON.stringify(await pushEmpty(probe))
  return { config, layers: `[${config}]` }
}

async function wantRefused(probe: Probe, manifest: ProbeManifest, what: string): Promise<void> {
  const { status } = await offerManifest(probe, manifest)
  if (status < 400 || status > 499)
    throw new Failure('a status of 4xx', `${status} for ${what.slice(0, 100)}`)
}
