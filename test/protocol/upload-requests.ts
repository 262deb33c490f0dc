import assert from 'node:assert/strict'

/** What a request for an upload may carry. */
export interface UploadRequest {
  body?: Uint8Array | string
  headers?: Record<string, string>
}

/** Begins an upload. @param query such as `digest-algorithm=sha512` @returns where it goes on */
export async function beginUpload(url: string, name: string, query = ''): Promise<URL> {
  const begun = await fetch(`${url}/v2/${name}/blobs/uploads/?${query}`, { method: 'POST' })
  assert.equal(begun.status, 202, await begun.text())
  return locationOf(begun)
}

/** The `Location` of a response, as a client takes it: relative to what it asked for. */
export function locationOf(response: Response): URL {
  const location = response.headers.get('location')
  assert.ok(location !== null, 'the response has a Location')
  return new URL(location, response.url)
}

/** Uploads a chunk by PATCH. */
export async function patchUpload(
  upload: URL,
  bytes: Uint8Array | string,
  headers: Record<string, string> = {},
): Promise<Response> {
  return await fetch(upload, { method: 'PATCH', body: Buffer.from(bytes), headers })
}

/** Closes an upload by PUT, without a body if none is given. */
export async function closeUpload(
  upload: URL,
  digest: string,
  { body, headers = {} }: UploadRequest = {},
): Promise<Response> {
  const closing = new URL(upload)
  closing.searchParams.append('digest', digest)
  return await fetch(closing, { method: 'PUT', headers, ...(body && { body: Buffer.from(body) }) })
}

/** Asks an upload for its status. @returns what its `Range` says */
export async function statusRange(upload: URL): Promise<string | null> {
  const response = await fetch(upload)
  assert.equal(response.status, 204)
  assert.equal(locationOf(response).href, upload.href)
  return response.headers.get('range')
}

/** The `Content-Range` of a chunk. */
export function chunkRange(start: number, length: number): { 'Content-Range': string } {
  return { 'Content-Range': `${start}-${start + length - 1}` }
}

/** The body of a request that is sent in pieces without a length. */
export function inPieces(bytes: Uint8Array, size: number): ReadableStream<Uint8Array> {
  const count = Math.ceil(bytes.length / size)
  return ReadableStream.from(
    Array.from({ length: count }, (_, index) => bytes.subarray(index * size, (index + 1) * size)),
  )
}
