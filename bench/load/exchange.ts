import type { Connection, LoadAnswer, LoadRequest } from './connection.ts'
import { type Content, stampOf } from './content.ts'
import { type Image, MANIFEST_TYPE, type Stamped } from './image.ts'

/** Sends a request that must have this answer. @throws Error telling what came instead */
export async function expect(
  connection: Connection,
  status: number,
  request: LoadRequest,
): Promise<LoadAnswer> {
  const answer = await connection.send(request)
  if (answer.status === status) return answer
  throw new Error(`${request.method} ${request.path}: ${answer.status} instead of ${status} ${answer.start}`)
}

/** Reads a blob, and sees that it has its length and begins with what content `id` begins with. @returns its size */
export async function pullBlob(
  connection: Connection,
  path: string,
  { id, size }: { id: number; size: number },
): Promise<number> {
  const stamp = stampOf(id)
  let isRight = true
  let first = true
  const onBody = (bytes: Buffer) => {
    if (first && bytes.length >= stamp.length) isRight = bytes.subarray(0, stamp.length).equals(stamp)
    first = false
  }
  const answer = await expect(connection, 200, { method: 'GET', path, onBody })
  if (answer.length !== size || answer.bytes !== size) throw new Error(`GET ${path}: ${answer.bytes} bytes`)
  if (!isRight) throw new Error(`GET ${path}: other content`)
  return size
}

/** Pushes a blob. @returns its size */
export async function pushBlob(
  connection: Connection,
  repository: string,
  { content, streamed = false }: { content: Pick<Content, 'digest' | 'size' | 'pieces'>; streamed?: boolean },
): Promise<number> {
  const begun = await expect(connection, 202, { method: 'POST', path: `/v2/${repository}/blobs/uploads/` })
  const body = { pieces: content.pieces(), length: content.size, chunked: streamed }
  const headers = 'Content-Type: application/octet-stream\r\n'
  const sent = streamed
    ? await expect(connection, 202, { method: 'PATCH', path: locationOf(begun), headers, body })
    : begun
  const last = streamed ? {} : { headers, body }
  await expect(connection, 201, { method: 'PUT', path: closing(locationOf(sent), content.digest), ...last })
  return content.size
}

/** Pushes a whole image: both blobs, then the manifest under a tag. @returns the bytes of all three */
export async function pushImage(
  connection: Connection,
  { repository, reference }: { repository: string; reference: string },
  { layer, config, manifest }: Image,
): Promise<number> {
  const blobs =
    (await pushBlob(connection, repository, { content: layer })) +
    (await pushBlob(connection, repository, { content: asContent(config) }))
  return blobs + (await putManifest(connection, { repository, reference }, manifest.bytes))
}

/** Pushes a manifest. @returns its size */
export async function putManifest(
  connection: Connection,
  { repository, reference }: { repository: string; reference: string },
  bytes: Buffer,
): Promise<number> {
  await expect(connection, 201, {
    method: 'PUT',
    path: `/v2/${repository}/manifests/${reference}`,
    headers: `Content-Type: ${MANIFEST_TYPE}\r\n`,
    body: { pieces: [[bytes]], length: bytes.length },
  })
  return bytes.length
}

/** Deletes a blob, or a manifest by its digest. */
export async function deleteContent(
  connection: Connection,
  kind: 'blobs' | 'manifests',
  { repository, digest }: { repository: string; digest: string },
): Promise<void> {
  await expect(connection, 202, { method: 'DELETE', path: `/v2/${repository}/${kind}/${digest}` })
}

/** Small bytes as something to push. */
export function asContent({ bytes, digest }: Stamped): Content {
  return { digest, size: bytes.length, pieces: () => [[bytes]] }
}

function locationOf({ location }: LoadAnswer): string {
  if (location === undefined) throw new Error('an upload has no Location')
  return location
}

function closing(location: string, digest: string): string {
  return `${location}${location.includes('?') ? '&' : '?'}digest=${digest}`
}
