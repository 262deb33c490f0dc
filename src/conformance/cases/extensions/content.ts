import { digestOf } from '../../../client/hasher.ts'
import { blobPath } from '../../blob.ts'
import type { Case } from '../../case.ts'
import { needEndpoint } from '../../discovery.ts'
import {
  descriptorOf,
  makeImage,
  makeManifest,
  manifestTarget,
  pushArtifact,
  pushManifest,
} from '../../manifest.ts'
import { Failure } from '../../outcome.ts'
import { type Probe, randomContent, requireHeader, wantBody, wantHeader, wantStatus } from '../../probe.ts'
import {
  type Asking,
  ask,
  askForJson,
  deleteAt,
  entriesOf,
  type JsonObject,
  jsonOf,
  needStowage,
  partsOf,
  shown,
  wantBadParameters,
  wantField,
  wantRefusal,
} from '../../stowage.ts'
import { pushBlob } from '../../upload.ts'

const DATA = 'content/data'
const LOCATIONS = 'content/locations'
const REGISTERED = 'application/vnd.stowage.locations.v1+json'

const CASE = {
  group: 'extensions',
  level: 'MUST',
  version: '1.1',
  section: 'Stowage, "Content by digest"',
} as const
const OF_DATA = { ...CASE, feature: 'content by digest', needs: ['content-by-digest'] } as const
const OF_LOCATIONS = { ...CASE, feature: 'content locations', needs: ['content-locations'] } as const

const dataCases: readonly Case[] = [
  {
    ...OF_DATA,
    id: 'content-by-digest',
    title: 'a blob can be pulled by its digest, without a repository',
    sentence: 'A blob or a manifest, from the first repository that has it.',
    needs: ['blob-push-post-put'],
    async run(probe) {
      await needEndpoint(probe, '/v2', `_stowage/${DATA}`)
      const bytes = randomContent(100)
      const digest = await pushBlob(probe, bytes)
      const answer = await pull(probe, digest)
      wantStatus(answer, 200)
      wantBody(answer, bytes)
      wantHeader(answer, 'Docker-Content-Digest', digest)
    },
  },
  {
    ...OF_DATA,
    id: 'content-by-digest-manifest',
    title: 'a manifest can be pulled by its digest, without a repository, with its media type',
    sentence: 'A manifest has the media type that it was pushed with there.',
    needs: [...OF_DATA.needs, 'manifest-push-by-tag'],
    async run(probe) {
      const artifact = await pushArtifact(probe, 'v1')
      const answer = await pull(probe, artifact.digest)
      wantStatus(answer, 200)
      wantBody(answer, artifact.bytes)
      wantHeader(answer, 'Content-Type', artifact.mediaType)
    },
  },
  {
    ...OF_DATA,
    id: 'content-by-digest-range',
    title: 'content by digest supports ranges',
    sentence: 'Range requests and conditional requests work as they do for blobs.',
    async run(probe) {
      const bytes = randomContent(100)
      const digest = await pushBlob(probe, bytes)
      const part = await pull(probe, digest, { headers: { Range: 'bytes=10-29' } })
      wantStatus(part, 206)
      wantHeader(part, 'Content-Range', 'bytes 10-29/100')
      wantBody(part, bytes.subarray(10, 30))
      wantRefusal(await pull(probe, digest, { headers: { Range: 'bytes=100-' } }), 416)
    },
  },
  {
    ...OF_DATA,
    id: 'content-by-digest-condition',
    title: 'content by digest is not sent if the client already has it, or for HEAD',
    sentence: 'Range requests and conditional requests work as they do for blobs.',
    async run(probe) {
      const digest = await pushBlob(probe, randomContent(100))
      const head = await pull(probe, digest, { method: 'HEAD' })
      wantStatus(head, 200)
      wantHeader(head, 'Content-Length', '100')
      const etag = requireHeader(head, 'ETag')
      wantStatus(await pull(probe, digest, { headers: { 'If-None-Match': etag } }), 304)
    },
  },
  {
    ...OF_DATA,
    id: 'content-by-digest-unknown',
    title: 'content that no repository has is unknown, whether it never existed or was deleted',
    sentence: 'The registry knows nothing about this content, or nothing that the client may see.',
    needs: [...OF_DATA.needs, 'blob-delete'],
    async run(probe) {
      wantRefusal(await pull(probe, await digestOf(randomContent(32))), 404, 'BLOB_UNKNOWN')
      const digest = await pushBlob(probe, randomContent(100))
      await deleteAt(probe, `blobs/${digest}`)
      wantRefusal(await pull(probe, digest), 404, 'BLOB_UNKNOWN')
    },
  },
  {
    ...OF_DATA,
    id: 'content-by-digest-bad-parameter',
    title: 'a malformed digest is rejected',
    sentence: '`digest=` is missing or malformed; `detail.parameter` names it.',
    async run(probe) {
      for (const query of ['', '?digest=latest', '?digest=sha256:0'])
        await wantBadParameters(probe, DATA, { digest: query }, 'registry')
    },
  },
]

const locationCases: readonly Case[] = [
  {
    ...OF_LOCATIONS,
    id: 'content-locations',
    title: 'the locations in this registry are listed, and the content can be pulled from them',
    sentence:
      'Locations are in the order in which this registry would try them, the lowest `priority` first.',
    needs: ['manifest-push-by-tag', 'blob-push-post-put'],
    async run(probe) {
      const bytes = randomContent(100)
      const digest = await pushBlob(probe, bytes)
      await needStowage(probe, LOCATIONS)
      const body = await askForJson(probe, LOCATIONS, { query: `?digest=${digest}` })
      wantField(body, 'digest', digest)
      wantField(body, 'size', bytes.length)
      const [first, ...more] = entriesOf(body, 'locations')
      wantField(first, 'type', 'registry')
      const { href } = new URL(String(first?.url), probe.origin)
      const pulled = await probe.send({ method: 'GET', target: href })
      wantStatus(pulled, 200)
      wantBody(pulled, bytes)
      const sooner = more.find(({ priority }) => Number(priority) < Number(first?.priority))
      if (sooner !== undefined) throw new Failure('the lowest priority first', shown(sooner))
    },
  },
  {
    ...OF_LOCATIONS,
    id: 'content-locations-registry',
    title: 'all repositories that have the content are listed',
    sentence: '`GET /v2/_stowage/content/locations`',
    async run(probe) {
      await needEndpoint(probe, '/v2', `_stowage/${LOCATIONS}`)
      const bytes = randomContent(100)
      const digest = await pushBlob(probe, bytes)
      await pushBlob(probe, bytes, probe.otherRepository)
      const urls = await urlsOf(probe, digest, { scope: 'registry' })
      for (const name of [probe.repository, probe.otherRepository])
        if (!urls.some((url) => url.endsWith(blobPath(name, digest))))
          throw new Failure(`the blob of ${name}`, shown(urls))
    },
  },
  {
    ...OF_LOCATIONS,
    id: 'content-locations-descriptor',
    title: 'the URLs of a descriptor are listed, even if the registry does not have the content',
    sentence: 'One of the `urls` of a descriptor of this content, in a manifest.',
    async run(probe) {
      const digest = await digestOf(randomContent(100))
      const url = `https://layers.example/${digest}`
      await pushForeign(probe, digest, [url, 'file:///etc/passwd', 'https://user:secret@layers.example/x'])
      const body = await askForJson(probe, LOCATIONS, { query: `?digest=${digest}` })
      wantField(body, 'size', 100)
      const [location, ...more] = entriesOf(body, 'locations')
      wantField(location, 'type', 'descriptor')
      wantField(location, 'url', url)
      if (more.length > 0) throw new Failure('no other location', shown(more))
    },
  },
  {
    ...OF_LOCATIONS,
    id: 'content-locations-referrer',
    title: 'names that were registered for a layer of an image are listed',
    sentence: 'A name that a client registered, as described below; it may use any protocol',
    async run(probe) {
      const image = await makeImage(probe)
      await pushManifest(probe, image, 'v1')
      const { layer } = partsOf(image)
      await pushArtifact(probe, undefined, {
        artifactType: REGISTERED,
        subject: descriptorOf(image),
        annotations: { [layer]: 'ipfs://bafybeigd https://mirror.example/layer' },
      })
      const urls = await urlsOf(probe, layer)
      for (const url of ['ipfs://bafybeigd', 'https://mirror.example/layer'])
        if (!urls.includes(url)) throw new Failure(url, shown(urls))
    },
  },
  {
    ...OF_LOCATIONS,
    id: 'content-locations-withdrawn',
    title: 'a name whose registration was deleted is no longer listed',
    sentence: 'To withdraw the registration, delete the artifact.',
    needs: ['content-locations-referrer', 'manifest-delete'],
    async run(probe) {
      const subject = await pushArtifact(probe, 'v1')
      const { digest } = await pushArtifact(probe, undefined, {
        artifactType: REGISTERED,
        subject: descriptorOf(subject),
        annotations: { [subject.digest]: 'ipfs://bafybeigd' },
      })
      const before = await urlsOf(probe, subject.digest)
      if (!before.includes('ipfs://bafybeigd')) throw new Failure('ipfs://bafybeigd', shown(before))
      await deleteAt(probe, `manifests/${digest}`)
      const after = await urlsOf(probe, subject.digest)
      if (after.includes('ipfs://bafybeigd')) throw new Failure('no withdrawn name', shown(after))
      const own = manifestTarget(probe, subject.digest)
      if (!after.some((url) => url.endsWith(own))) throw new Failure(own, shown(after))
    },
  },
  {
    ...OF_LOCATIONS,
    id: 'content-locations-refused',
    title: 'malformed digests and unknown content have no locations',
    sentence:
      '`digest=` is missing or malformed; `detail.parameter` names it [...] the registry knows nothing about this content',
    async run(probe) {
      await pushArtifact(probe, 'v1')
      for (const query of ['', '?digest=latest']) await wantBadParameters(probe, LOCATIONS, { digest: query })
      const query = `?digest=${await digestOf(randomContent(32))}`
      wantRefusal(await ask(probe, LOCATIONS, { query }), 404, 'BLOB_UNKNOWN')
      const elsewhere = { query, repository: probe.otherRepository }
      wantRefusal(await ask(probe, LOCATIONS, elsewhere), 404, 'NAME_UNKNOWN')
    },
  },
]

/** Cases of content without a repository, and of where it is. */
export const contentCases: readonly Case[] = [...dataCases, ...locationCases]

async function pull(probe: Probe, digest: string, asking: Asking = {}) {
  return await ask(probe, DATA, { ...asking, scope: 'registry', query: `?digest=${digest}` })
}

async function urlsOf(probe: Probe, digest: string, asking: Asking = {}): Promise<string[]> {
  const body: JsonObject = jsonOf(await ask(probe, LOCATIONS, { ...asking, query: `?digest=${digest}` }))
  return entriesOf(body, 'locations').map(({ url }) => String(url))
}

/** Pushes an image with a layer that is not here. */
async function pushForeign(probe: Probe, digest: string, urls: readonly string[]): Promise<void> {
  const { layers, ...fields } = JSON.parse(new TextDecoder().decode((await makeImage(probe)).bytes)) as {
    layers: readonly object[]
  }
  const foreign = {
    mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar',
    digest,
    size: 100,
    urls,
  }
  await pushManifest(probe, await makeManifest({ ...fields, layers: [...layers, foreign] }), 'v1')
}
