import { digestOf } from '../../../client/hasher.ts'
import { blobPath, wantBlob } from '../../blob.ts'
import type { Case } from '../../case.ts'
import { type Probe, randomContent, requireHeader, wantHeader, wantStatus } from '../../probe.ts'
import { addChunk, closeUpload, sendChunk, startUpload } from '../../upload.ts'

const RETRIED = {
  group: 'clients',
  level: 'SHOULD',
  version: '1.0',
  section: 'What clients send again over a bad network',
} as const

/** Sends a chunk of another length than its range says. */
async function sendMismatched(
  probe: Probe,
  target: string,
  { bytes, range, streamed }: { bytes: Uint8Array; range: string; streamed: boolean },
) {
  const headers = { 'Content-Type': 'application/octet-stream', 'Content-Range': range }
  return await probe.send({ method: 'PATCH', target, headers, body: bytes, streamed })
}

/** Fails unless an upload has so many bytes, and is closed by the rest. */
async function wantGoesOn(probe: Probe, target: string, bytes: Uint8Array, held: number): Promise<void> {
  const status = await probe.send({ method: 'GET', target })
  wantStatus(status, 204)
  wantHeader(status, 'Range', `0-${Math.max(0, held - 1)}`)
  const rest = { bytes: bytes.subarray(held), start: held }
  const digest = await digestOf(bytes)
  probe.cleanUp({ method: 'DELETE', target: blobPath(probe.repository, digest) })
  wantStatus(await closeUpload(probe, await addChunk(probe, target, rest), { digest }), 201)
  await wantBlob(probe, digest, bytes)
}

/** What clients need where a connection breaks and they try again. */
export const clientRetryCases: readonly Case[] = [
  {
    ...RETRIED,
    id: 'client-close-again',
    title: 'a repeated closing PUT gets the same response as the first one',
    sentence:
      'containerd and regctl repeat the closing PUT if its response was lost: a 404 fails a push that has succeeded.',
    needs: ['blob-push-post-put'],
    async run(probe) {
      const body = randomContent(5000)
      const digest = await digestOf(body)
      probe.cleanUp({ method: 'DELETE', target: blobPath(probe.repository, digest) })
      const location = await startUpload(probe)
      const first = await closeUpload(probe, location, { digest, body })
      wantStatus(first, 201)
      const again = await closeUpload(probe, location, { digest, body })
      wantStatus(again, 201)
      wantHeader(again, 'Location', requireHeader(first, 'Location'))
      const other = await digestOf(randomContent(32))
      wantStatus(await closeUpload(probe, location, { digest: other, body }), 404)
      await wantBlob(probe, digest, body)
    },
  },
  {
    ...RETRIED,
    id: 'client-chunk-short',
    title: 'a chunk shorter than its range is discarded',
    sentence:
      'A body that a proxy cut off, but ended cleanly, would become part of the blob: the client sends that part again, and the digest never matches.',
    needs: ['upload-status', 'blob-push-chunks'],
    async run(probe) {
      const bytes = randomContent(3000)
      const target = await addChunk(probe, await startUpload(probe), {
        bytes: bytes.subarray(0, 500),
        start: 0,
      })
      const short = { bytes: randomContent(1000), range: '500-2999', streamed: true }
      wantStatus(await sendMismatched(probe, target, short), 400)
      await wantGoesOn(probe, target, bytes, 500)
    },
  },
  {
    ...RETRIED,
    id: 'client-chunk-start-first',
    title: 'the start of a chunk is checked before its length',
    sentence:
      'Only after a 416 do clients ask where the upload ends and continue from there; a 400 ends the push.',
    needs: ['chunk-gap', 'upload-status', 'blob-push-chunks'],
    async run(probe) {
      const bytes = randomContent(3000)
      const target = await startUpload(probe)
      wantStatus(await sendChunk(probe, target, { bytes: bytes.subarray(0, 500), start: 0 }), 202)
      const wrong = { bytes: randomContent(10), range: '503-522', streamed: false }
      wantStatus(await sendMismatched(probe, target, wrong), 416)
      await wantGoesOn(probe, target, bytes, 500)
    },
  },
]
