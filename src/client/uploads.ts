import type { Digest, HashAlgorithm } from '../oci/digest.ts'
import { formatRoute } from '../oci/route.ts'
import { headBlob } from './blobs.ts'
import { chunksOf } from './chunks.ts'
import { DigestError, InvalidResponseError, ResponseError } from './error.ts'
import { algorithmOf, digestOf, openHasher } from './hasher.ts'
import { ask, digestArgument, ignoreBody, type RepositorySession, repositoryArgument } from './request.ts'
import { isTemporary, wait } from './retry.ts'

/** The content of a blob to push. A stream is read once, and one chunk of it is held in memory at a time. */
export type BlobContent = Uint8Array | Blob | ReadableStream<Uint8Array>

/** How a blob is pushed. */
export interface PushBlobOptions {
  /** The digest that the content must have; if absent, it is computed. */
  digest?: string
  /** The algorithm for the digest if none is given; sha256 if absent. */
  algorithm?: HashAlgorithm
  /** In bytes, 8 MiB if absent. Content up to this length is sent by POST and PUT, and longer content in chunks of this length. */
  chunkSize?: number
  signal?: AbortSignal
}

/** A blob that is in the registry. */
export interface PushedBlob {
  digest: Digest
  /** In bytes. */
  size: number
}

const CHUNK_SIZE = 8 * 1024 * 1024
/** A registry may want longer chunks, and each is held in memory. */
const MAX_CHUNK_SIZE = 64 * 1024 * 1024
/** How many times in a row a step is tried without any progress. */
const MAX_ATTEMPTS = 4

/** An upload in progress. */
interface Upload {
  location: string
  /** How many bytes the registry has. */
  held: number
}

/** @see RepositoryClient.pushBlob */
export async function pushBlob(
  place: RepositorySession,
  content: BlobContent,
  { digest: text, chunkSize = CHUNK_SIZE, signal, ...options }: PushBlobOptions = {},
): Promise<PushedBlob> {
  if (!Number.isSafeInteger(chunkSize) || chunkSize < 1 || chunkSize > MAX_CHUNK_SIZE)
    throw new RangeError(`chunkSize must be from 1 to ${MAX_CHUNK_SIZE} bytes`)
  const wanted = text === undefined ? undefined : digestArgument(text)
  const algorithm = wanted === undefined ? (options.algorithm ?? 'sha256') : algorithmOf(wanted)
  const push = { place, wanted, algorithm, chunkSize, ...(signal && { signal }) }
  if (content instanceof Uint8Array && content.length <= chunkSize) return await pushWhole(content, push)
  if (content instanceof Blob && content.size <= chunkSize)
    return await pushWhole(new Uint8Array(await content.arrayBuffer()), push)
  const stream =
    content instanceof Uint8Array ? new Blob([content as Uint8Array<ArrayBuffer>]).stream() : content
  return await pushChunks(stream instanceof Blob ? stream.stream() : stream, push)
}

/** @see RepositoryClient.mountBlob */
export async function mountBlob(
  { name, send }: RepositorySession,
  text: string,
  { from, signal }: { from: string; signal?: AbortSignal },
): Promise<boolean> {
  const query = new URLSearchParams({ mount: digestArgument(text), from: repositoryArgument(from) })
  const { status, headers, url } = await ask(
    send,
    { method: 'POST', target: `${formatRoute('uploads', { name })}?${query}`, ...(signal && { signal }) },
    { statuses: [201, 202], read: ignoreBody },
  )
  if (status === 201) return true
  await cancel({ name, send }, locationIn(headers, url))
  return false
}

interface Push {
  place: RepositorySession
  wanted: Digest | undefined
  algorithm: HashAlgorithm
  chunkSize: number
  signal?: AbortSignal
}

async function pushWhole(bytes: Uint8Array, push: Push): Promise<PushedBlob> {
  const { place, signal } = push
  const digest = await digestOf(bytes, push.algorithm)
  checkDigest(digest, push.wanted)
  for (let attempt = 1; ; attempt++) {
    try {
      const { location } = await start(push)
      await close(push, location, { digest, body: bytes })
      return { digest, size: bytes.length }
    } catch (error) {
      if (attempt === MAX_ATTEMPTS || !isTemporary(error, signal)) throw error
      await wait(attempt, signal)
      // Only the response may have been lost.
      if ((await headBlob(place, digest, signal)) !== undefined) return { digest, size: bytes.length }
    }
  }
}

async function pushChunks(stream: ReadableStream<Uint8Array>, push: Push): Promise<PushedBlob> {
  const hasher = await openHasher(push.algorithm)
  const started = await start(push)
  let upload: Upload = started
  let size = 0
  try {
    for await (const chunk of chunksOf(stream, Math.max(push.chunkSize, started.minLength))) {
      if (chunk.length === 0) continue
      hasher.update(chunk)
      upload = await sendChunk(push, upload, chunk)
      size += chunk.length
    }
    const digest = hasher.digest()
    checkDigest(digest, push.wanted)
    await finish(push, upload, digest)
    return { digest, size }
  } catch (error) {
    await cancel(push.place, upload.location)
    throw error
  }
}

function checkDigest(digest: Digest, wanted: Digest | undefined): void {
  if (wanted !== undefined && digest !== wanted)
    throw new DigestError(`the content has the digest ${digest} in place of ${wanted}`)
}

/** Sends a chunk from the position that the registry has reached, until the registry has all of it. */
async function sendChunk(push: Push, { location, held }: Upload, chunk: Uint8Array): Promise<Upload> {
  const [first, end] = [held, held + chunk.length]
  let upload: Upload = { location, held }
  for (let attempt = 1; upload.held < end; ) {
    const before = upload.held
    try {
      upload = await sendRest(push, upload, chunk.subarray(before - first))
    } catch (error) {
      if (attempt === MAX_ATTEMPTS || !isTemporary(error, push.signal)) throw error
      await wait(attempt, push.signal)
      upload = await resume(push, upload)
    }
    if (upload.held < first || upload.held > end)
      throw new InvalidResponseError(`the upload is at ${upload.held}, outside of ${first} to ${end}`)
    attempt = upload.held > before ? 1 : attempt + 1
  }
  return upload
}

async function sendRest({ place, signal }: Push, upload: Upload, bytes: Uint8Array): Promise<Upload> {
  const last = upload.held + bytes.length - 1
  const { headers, url } = await ask(
    place.send,
    {
      method: 'PATCH',
      target: upload.location,
      headers: {
        'Content-Type': 'application/octet-stream',
        'Content-Range': `${upload.held}-${last}`,
      },
      body: bytes,
      ...(signal && { signal }),
    },
    { statuses: [202], read: ignoreBody },
  )
  return { location: locationIn(headers, url), held: heldIn(headers) ?? last + 1 }
}

/** Asks for the state of an upload after a step whose outcome isn't known. */
async function resume(push: Push, upload: Upload): Promise<Upload> {
  const { place, signal } = push
  try {
    const { headers, url } = await ask(
      place.send,
      { method: 'GET', target: upload.location, ...(signal && { signal }) },
      { statuses: [204], read: ignoreBody },
    )
    const held = heldIn(headers)
    const location = headers.has('location') ? locationIn(headers, url) : upload.location
    // A range of 0-0 may be one byte or none.
    if (held === undefined || held > 1 || upload.held > 0) return { location, held: held ?? upload.held }
    await cancel(place, location)
    return await start(push)
  } catch (error) {
    // A later attempt may find out.
    if (isTemporary(error, signal)) return upload
    throw error
  }
}

/** Closes an upload whose bytes the registry has. */
async function finish(push: Push, { location }: Upload, digest: Digest): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await close(push, location, { digest })
    } catch (error) {
      const isGone = attempt > 1 && error instanceof ResponseError && error.status === 404
      if (isGone && (await headBlob(push.place, digest, push.signal)) !== undefined) return
      if (attempt === MAX_ATTEMPTS || !isTemporary(error, push.signal)) throw error
      await wait(attempt, push.signal)
    }
  }
}

/** Begins an upload. */
async function start({ place, algorithm, signal }: Push): Promise<Upload & { minLength: number }> {
  const query = algorithm === 'sha256' ? '' : `?digest-algorithm=${algorithm}`
  const target = `${formatRoute('uploads', { name: place.name })}${query}`
  const { headers, url } = await ask(
    place.send,
    { method: 'POST', target, ...(signal && { signal }) },
    { statuses: [202], read: ignoreBody },
  )
  const minLength = Number(headers.get('oci-chunk-min-length') ?? 0)
  if (!Number.isSafeInteger(minLength) || minLength < 0 || minLength > MAX_CHUNK_SIZE)
    throw new InvalidResponseError(`the registry wants chunks of ${minLength} bytes`)
  return { location: locationIn(headers, url), held: 0, minLength }
}

async function close(
  { place, signal }: Push,
  location: string,
  { digest, body = new Uint8Array() }: { digest: Digest; body?: Uint8Array },
): Promise<void> {
  await ask(
    place.send,
    {
      method: 'PUT',
      // The URL may have its own parameters.
      target: `${location}${location.includes('?') ? '&' : '?'}digest=${encodeURIComponent(digest)}`,
      headers: { 'Content-Type': 'application/octet-stream' },
      body,
      ...(signal && { signal }),
    },
    { statuses: [201], read: ignoreBody },
  )
}

/** Tells the registry that an upload will not be continued. If this fails, the upload expires by itself. */
async function cancel({ send }: Pick<RepositorySession, 'name' | 'send'>, location: string): Promise<void> {
  await send({ method: 'DELETE', target: location }, ignoreBody).catch(() => {})
}

function locationIn(headers: Headers, base: string): string {
  const url = URL.parse(headers.get('location') ?? '', base)
  if (!headers.has('location') || url === null)
    throw new InvalidResponseError('the response has no Location of the upload')
  return url.href
}

/** How many bytes the registry has according to `Range`; undefined without that header. */
function heldIn(headers: Headers): number | undefined {
  const text = headers.get('range')
  if (text === null) return undefined
  const [, end] = /^(?:bytes=)?0-(\d{1,15})$/.exec(text) ?? []
  if (end === undefined) throw new InvalidResponseError('the Range of the upload is malformed')
  return Number(end) + 1
}
