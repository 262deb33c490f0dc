import assert from 'node:assert/strict'
import { digestOf } from '../content.ts'
import { type Client, locationOf, offsetOf } from './client.ts'
import type { Ledger, UploadEntry } from './ledger.ts'
import type { Random } from './random.ts'

/** What a push works with. */
export interface Pushing {
  client: Client
  ledger: Ledger
  random: Random
}

/** Pushes a blob in one of the ways that clients use. @returns its digest */
export async function pushBlob(pushing: Pushing, repository: string, bytes: Buffer): Promise<string> {
  const { client, ledger, random } = pushing
  const digest = digestOf(bytes, random.chance(0.1) ? 'sha512' : 'sha256')
  await ledger.change(ledger.blob(repository, digest), 'kept', async () => {
    if (random.chance(0.3)) {
      const path = `/v2/${repository}/blobs/uploads/?digest=${digest}`
      await client.expect(201, 'POST', path, { body: bytes })
      return
    }
    const started = await client.expect(202, 'POST', `/v2/${repository}/blobs/uploads/`)
    const location = locationOf(started)
    const upload = { repository, location, bytes, digest, acknowledged: 0, sent: 0, closing: false }
    ledger.uploads.add(upload)
    const inChunks = bytes.length > 1 && random.chance(0.5)
    if (inChunks) await appendChunks(pushing, upload, random.chance(0.5) ? 1 : random.next())
    await closeUpload(pushing, upload)
  })
  return digest
}

/** Appends chunks of different sizes up to a part of the blob. */
export async function appendChunks(pushing: Pushing, upload: UploadEntry, part: number): Promise<void> {
  const { client, random } = pushing
  const end = Math.floor(upload.bytes.length * part)
  while (upload.acknowledged < end) {
    const start = upload.acknowledged
    const size = Math.max(2, Math.ceil((end - start) * (0.3 + random.next())))
    const next = Math.min(start + size, end)
    if (next < 2) return
    upload.sent = Math.max(upload.sent, next)
    const headers: Record<string, string> = random.chance(0.5)
      ? { 'Content-Range': `${start}-${next - 1}` }
      : {}
    const body = upload.bytes.subarray(start, next)
    const answer = await client.expect(202, 'PATCH', upload.location, { headers, body })
    assert.equal(offsetOf(answer), next)
    upload.acknowledged = next
  }
}

/** Closes an upload with the rest of its bytes. */
export async function closeUpload({ client, ledger }: Pushing, upload: UploadEntry): Promise<void> {
  upload.closing = true
  upload.sent = upload.bytes.length
  const body = upload.bytes.subarray(upload.acknowledged)
  await client.expect(201, 'PUT', `${upload.location}?digest=${upload.digest}`, { body })
  ledger.uploads.delete(upload)
}
