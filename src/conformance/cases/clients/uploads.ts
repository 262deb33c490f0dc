import { digestOf } from '../../../client/hasher.ts'
import { blobPath, wantBlob } from '../../blob.ts'
import type { Case, Level } from '../../case.ts'
import type { ProbeAnswer } from '../../exchange.ts'
import { Failure } from '../../outcome.ts'
import { type Probe, randomContent, requireHeader, wantStatus } from '../../probe.ts'
import {
  acceptUpload,
  addChunk,
  closeUpload,
  isRefused,
  locationOf,
  postUpload,
  pushBlob,
  sendChunk,
  startChunks,
  startUpload,
  withParameter,
} from '../../upload.ts'

/** Where a trouble of clients was seen. */
export function seenInRow(row: number, level: Level = 'MUST') {
  const section = `Row ${row} of the page on compatibility`
  return { group: 'clients', level, version: '1.0', section, needs: ['blob-push-post-put'] } as const
}

const uploadCases: readonly Case[] = [
  {
    ...seenInRow(23),
    id: 'client-upload-location',
    title: 'the location of an upload is an absolute path, or a URL on the same host',
    sentence:
      'containerd takes a location without a leading slash as a host, and oras and others send no credentials to another host, scheme or port: every push fails.',
    async run(probe) {
      for (const location of await uploadLocations(probe)) {
        const isPath = /^\/(?!\/)/.test(location)
        if (!isPath && URL.parse(location)?.origin !== probe.origin)
          throw new Failure(`a path or a URL that begins with ${probe.origin}`, location)
      }
    },
  },
  {
    ...seenInRow(3, 'SHOULD'),
    id: 'client-upload-location-short',
    title: 'the location of an upload is short',
    sentence: 'Proxies reject URLs of several thousand characters, so a push through them fails.',
    async run(probe) {
      for (const { length } of await uploadLocations(probe))
        if (length > 2000) throw new Failure('a Location of at most 2,000 characters', `${length}`)
    },
  },
  {
    ...seenInRow(7),
    id: 'client-upload-range-empty',
    title: 'the range of an empty upload is never "0--1"',
    sentence: 'docker ends a push with "bad range format" if the range of an empty upload is 0--1.',
    async run(probe) {
      const begun = await postUpload(probe, `/v2/${probe.repository}/blobs/uploads/`)
      const location = acceptUpload(probe, `/v2/${probe.repository}/blobs/uploads/`, begun)
      const asked = await probe.send({ method: 'GET', target: location })
      for (const { headers } of [begun, asked]) {
        const range = headers.get('range')
        if (range !== null && !/^(?:bytes=)?0-\d+$/.test(range)) throw new Failure('Range: 0-0', range)
      }
    },
  },
  {
    ...seenInRow(4, 'SHOULD'),
    id: 'client-upload-unknown',
    title: 'a finished upload returns 404 with an error body',
    sentence:
      'A client that continues an upload that no longer exists retries forever if the response is a server error.',
    async run(probe) {
      const bytes = randomContent(64)
      const location = await startUpload(probe)
      const digest = await digestOf(bytes)
      probe.cleanUp({ method: 'DELETE', target: blobPath(probe.repository, digest) })
      wantStatus(await closeUpload(probe, location, { digest, body: bytes }), 201)
      const late = await sendChunk(probe, location, { bytes })
      wantStatus(late, 404)
      wantCode(late, 'BLOB_UPLOAD_UNKNOWN')
    },
  },
  {
    ...seenInRow(9),
    id: 'client-upload-many-chunks',
    title: 'an upload accepts many chunks without Content-Range',
    sentence:
      'The .NET tools and jib send a blob in many chunks without saying where each one starts: if the second one is rejected, the push fails.',
    async run(probe) {
      const bytes = randomContent(300)
      const { location, chunkSize } = await startChunks(probe, { chunkSize: 100 })
      if (chunkSize > 100) return
      let at = location
      for (let start = 0; start < 300; start += 100)
        at = await addChunk(probe, at, { bytes: bytes.subarray(start, start + 100) })
      await closeAndWant(probe, at, bytes)
    },
  },
  {
    ...seenInRow(13),
    id: 'client-upload-chunk-streamed',
    title: 'an upload accepts a chunk without a Content-Length',
    sentence:
      'docker and podman send each blob by one PATCH with chunked transfer coding and an empty PUT: without it, they can push nothing.',
    async run(probe) {
      const bytes = randomContent(5000)
      const location = await startUpload(probe)
      await closeAndWant(probe, await addChunk(probe, location, { bytes, streamed: true }), bytes)
    },
  },
  {
    ...seenInRow(15, 'SHOULD'),
    id: 'client-upload-put-streamed',
    title: 'an upload can be closed with a body without a Content-Length',
    sentence: 'jib sends a body without a length: a server that requires one fails with 411 or 500.',
    async run(probe) {
      const bytes = randomContent(5000)
      const target = withParameter(await startUpload(probe), 'digest', await digestOf(bytes))
      probe.cleanUp({ method: 'DELETE', target: blobPath(probe.repository, await digestOf(bytes)) })
      const headers = { 'Content-Type': 'application/octet-stream' }
      wantStatus(await probe.send({ method: 'PUT', target, headers, body: bytes, streamed: true }), 201)
      await wantBlob(probe, await digestOf(bytes), bytes)
    },
  },
  {
    ...seenInRow(11),
    id: 'client-upload-chunk-location',
    title: 'the response to a chunk has the location for the next one',
    sentence: 'podman and others fail if the response to a PATCH has no location.',
    async run(probe) {
      const added = await sendChunk(probe, await startUpload(probe), { bytes: randomContent(100) })
      if (added.status === 202) requireHeader(added, 'location')
      else throw new Failure('status 202', `${added.status}`)
    },
  },
  {
    ...seenInRow(12),
    id: 'client-upload-range-total',
    title: 'the range after a chunk covers all bytes received so far',
    sentence:
      'Clients continue where the range ends: they send the wrong bytes if it covers only the last chunk.',
    async run(probe) {
      const { location, chunkSize } = await startChunks(probe, { chunkSize: 100 })
      const next = await addChunk(probe, location, { bytes: randomContent(chunkSize), start: 0 })
      const second = await sendChunk(probe, next, { bytes: randomContent(50), start: chunkSize })
      wantStatus(second, 202)
      const range = second.headers.get('range')?.replace('bytes=', '')
      if (range !== `0-${chunkSize + 49}`) throw new Failure(`Range: 0-${chunkSize + 49}`, `${range}`)
    },
  },
  {
    ...seenInRow(8),
    id: 'client-upload-close-empty',
    title: 'an upload can be closed without Content-Range',
    sentence:
      'Most clients close an upload with an empty PUT: a registry that checks it like a chunk returns 416.',
    async run(probe) {
      const bytes = randomContent(100)
      const location = await addChunk(probe, await startUpload(probe), { bytes, start: 0 })
      await closeAndWant(probe, location, bytes)
    },
  },
  {
    ...seenInRow(10, 'SHOULD'),
    id: 'client-upload-survives',
    title: 'an upload can continue after a rejected chunk',
    sentence:
      'A client that lost its position asks for it and continues: if the rejection ended the upload, a large blob must be sent again.',
    async run(probe) {
      const bytes = randomContent(200)
      const { location, chunkSize } = await startChunks(probe, { chunkSize: 100 })
      if (chunkSize > 100) return
      const next = await addChunk(probe, location, { bytes: bytes.subarray(0, 100), start: 0 })
      const refused = await sendChunk(probe, next, { bytes: bytes.subarray(0, 50), start: 150 })
      if (!isRefused(refused)) throw new Failure('a refusal', `${refused.status}`)
      const status = await probe.send({ method: 'GET', target: next })
      wantStatus(status, 204)
      const at = locationOf(probe, next, status)
      await closeAndWant(probe, await addChunk(probe, at, { bytes: bytes.subarray(100), start: 100 }), bytes)
    },
  },
  {
    ...seenInRow(5),
    id: 'client-upload-verified',
    title: 'content with a wrong digest is rejected however it is pushed',
    sentence:
      'Every client that pulls content with a wrong digest fails, and no client can replace it with the right content.',
    async run(probe) {
      const digest = await digestOf(randomContent(64))
      const bytes = randomContent(64)
      await closeUpload(probe, await startUpload(probe), { digest, body: bytes })
      await closeUpload(probe, await addChunk(probe, await startUpload(probe), { bytes }), { digest })
      await postWhole(probe, digest, bytes)
      wantStatus(await probe.send({ method: 'HEAD', target: blobPath(probe.repository, digest) }), 404)
    },
  },
  {
    ...seenInRow(14, 'SHOULD'),
    id: 'client-upload-single-post',
    title: 'a POST with a digest and a body stores the blob or starts an upload',
    sentence:
      'If the response to a POST with a digest looks like a success, but the blob was not stored, the manifest that follows is rejected.',
    async run(probe) {
      const bytes = randomContent(64)
      const digest = await digestOf(bytes)
      const posted = await postWhole(probe, digest, bytes)
      if (isRefused(posted)) return
      if (posted.status === 201) return await wantBlob(probe, digest, bytes)
      const location = acceptUpload(probe, `/v2/${probe.repository}/blobs/uploads/`, posted)
      await putAndWant(probe, location, bytes)
    },
  },
  {
    ...seenInRow(22),
    id: 'client-digest-malformed',
    title: 'a malformed digest is a client error',
    sentence: 'Clients retry a request that fails with 500, and never succeed.',
    async run(probe) {
      const body = randomContent(64)
      for (const digest of ['sha256:short', 'nonsense', `sha256:${'Z'.repeat(64)}`]) {
        wantStatus(await closeUpload(probe, await startUpload(probe), { digest, body }), 400)
      }
    },
  },
  {
    ...seenInRow(40),
    id: 'client-push-again',
    title: 'an existing blob can be pushed again',
    sentence:
      'A client that missed a response, or that does not use HEAD, pushes an existing blob: a rejection ends its push.',
    async run(probe) {
      const bytes = randomContent(64)
      await pushBlob(probe, bytes)
      await pushBlob(probe, bytes)
    },
  },
  {
    ...seenInRow(14, 'SHOULD'),
    id: 'client-query-unknown',
    section: 'What mirrors of containerd are sent',
    title: 'unknown parameters are ignored',
    sentence:
      'containerd adds ns=<host> to every request to a mirror, including pushes: a registry that rejects it cannot be a mirror.',
    async run(probe) {
      const bytes = randomContent(64)
      const target = `/v2/${probe.repository}/blobs/uploads/?ns=registry.example.org`
      const location = acceptUpload(probe, target, await postUpload(probe, target))
      const at = withParameter(location, 'ns', 'registry.example.org')
      await putAndWant(probe, at, bytes)
    },
  },
]

const mountCases: readonly Case[] = [
  {
    ...seenInRow(26),
    id: 'client-mount-unknown-repository',
    title: 'a mount from a repository that does not exist starts an upload',
    sentence:
      'docker and containerd mount from any repository where they have seen a layer: a 401, 403 or 404 ends the push; only a 202 lets it continue.',
    async run(probe) {
      await wantUpload(probe, `${probe.otherRepository}-absent`)
    },
  },
  {
    ...seenInRow(27),
    id: 'client-mount-unknown-blob',
    title: 'a mount of a blob that does not exist starts an upload',
    sentence:
      'containerd ends the push if a mount is rejected: whatever prevents the mount, the response must be 202.',
    async run(probe) {
      await pushBlob(probe, randomContent(32), probe.otherRepository)
      await wantUpload(probe, probe.otherRepository)
    },
  },
  {
    ...seenInRow(26, 'SHOULD'),
    id: 'client-mount-malformed',
    title: 'a mount from a malformed name starts an upload',
    sentence:
      'Names from other registries, with upper case or a port, are sent as sources of mounts: a 400 ends the push.',
    async run(probe) {
      await wantUpload(probe, 'Not:5000/A_Name')
    },
  },
]

/** Mounts what is not there, and pushes it instead. */
async function wantUpload(probe: Probe, from: string): Promise<void> {
  const bytes = randomContent(64)
  const query = `mount=${await digestOf(bytes)}&from=${encodeURIComponent(from)}`
  const target = `/v2/${probe.repository}/blobs/uploads/?${query}`
  await putAndWant(probe, acceptUpload(probe, target, await postUpload(probe, target)), bytes)
}

async function uploadLocations(probe: Probe): Promise<string[]> {
  const target = `/v2/${probe.repository}/blobs/uploads/`
  const begun = await postUpload(probe, target)
  const added = await sendChunk(probe, acceptUpload(probe, target, begun), { bytes: randomContent(100) })
  return [begun, added].flatMap(({ headers }) => headers.get('location') ?? [])
}

async function postWhole(probe: Probe, digest: string, body: Uint8Array): Promise<ProbeAnswer> {
  probe.cleanUp({ method: 'DELETE', target: blobPath(probe.repository, digest) })
  const target = `/v2/${probe.repository}/blobs/uploads/?digest=${digest}`
  return await probe.send({
    method: 'POST',
    target,
    headers: { 'Content-Type': 'application/octet-stream' },
    body,
  })
}

/** Closes an upload whose bytes came, and fails unless the blob is there. */
async function closeAndWant(probe: Probe, location: string, bytes: Uint8Array): Promise<void> {
  await closeWith(probe, location, { bytes })
}

/** Closes an upload with the bytes, and fails unless the blob is there. */
async function putAndWant(probe: Probe, location: string, bytes: Uint8Array): Promise<void> {
  await closeWith(probe, location, { bytes, body: bytes })
}

async function closeWith(
  probe: Probe,
  location: string,
  { bytes, body }: { bytes: Uint8Array; body?: Uint8Array },
): Promise<void> {
  const digest = await digestOf(bytes)
  probe.cleanUp({ method: 'DELETE', target: blobPath(probe.repository, digest) })
  wantStatus(await closeUpload(probe, location, { digest, ...(body && { body }) }), 201)
  await wantBlob(probe, digest, bytes)
}

/** Fails unless an error body has this code. */
export function wantCode({ body }: ProbeAnswer, code: string): void {
  const text = new TextDecoder().decode(body)
  if (!new RegExp(`"code"\\s*:\\s*"${code}"`).test(text))
    throw new Failure(`an error ${code}`, text.slice(0, 200) || 'no body')
}

/** What clients need of uploads. */
export const clientUploadCases: readonly Case[] = [...uploadCases, ...mountCases]
