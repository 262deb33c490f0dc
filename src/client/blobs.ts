import type { Digest } from '../oci/digest.ts'
import { formatRoute } from '../oci/route.ts'
import { DigestError, InvalidResponseError } from './error.ts'
import { algorithmOf, type Hasher, openHasher } from './hasher.ts'
import { ask, digestArgument, ignoreBody, lengthIn, type RepositorySession } from './request.ts'

/** A blob as it is pulled. */
export interface PulledBlob {
  digest: Digest
  /** In bytes; absent if the registry does not return it. */
  size?: number
  /** The bytes. The stream fails with DigestError if they do not have the digest, so they must not be used before its end. */
  body: ReadableStream<Uint8Array>
}

/** How a blob is pulled. */
export interface GetBlobOptions {
  /** The size from a descriptor, in bytes. No more bytes than this are read. */
  size?: number
  signal?: AbortSignal
}

/** @see RepositoryClient.headBlob */
export async function headBlob(
  { name, send }: RepositorySession,
  text: string,
  signal?: AbortSignal,
): Promise<{ size?: number } | undefined> {
  const digest = digestArgument(text)
  const { status, headers } = await ask(
    send,
    { method: 'HEAD', target: formatRoute('blob', { name, digest }), ...(signal && { signal }) },
    { statuses: [200, 404], read: ignoreBody },
  )
  if (status === 404) return undefined
  const size = lengthIn(headers)
  return size === undefined ? {} : { size }
}

/** @see RepositoryClient.getBlob */
export async function getBlob(
  { name, send, timeout }: RepositorySession,
  text: string,
  { size: wanted, signal }: GetBlobOptions = {},
): Promise<PulledBlob> {
  const digest = digestArgument(text)
  const hasher = await openHasher(algorithmOf(digest))
  const { headers, body } = await ask(
    send,
    { method: 'GET', target: formatRoute('blob', { name, digest }), ...(signal && { signal }) },
    { statuses: [200], read: async (response) => response.body ?? new Blob().stream() },
  )
  const size = lengthIn(headers) ?? wanted
  if (wanted !== undefined && size !== wanted) {
    await body.cancel()
    throw new InvalidResponseError(`the blob has ${size} bytes in place of ${wanted}`)
  }
  const verified = verify(body, { digest, size, hasher, timeout })
  return { digest, body: verified, ...(size !== undefined && { size }) }
}

interface Expected {
  digest: Digest
  size: number | undefined
  hasher: Hasher
  timeout: number
}

/** Passes bytes on as they are requested. Fails if they differ from the expected content. */
function verify(
  bytes: ReadableStream<Uint8Array>,
  { digest, size = Number.POSITIVE_INFINITY, hasher, timeout }: Expected,
): ReadableStream<Uint8Array> {
  const reader = bytes.getReader()
  let received = 0
  const take = async (controller: ReadableStreamDefaultController<Uint8Array>) => {
    const { done, value } = await inTime(reader.read(), timeout)
    received += value?.length ?? 0
    if (received > size || (done && size !== Number.POSITIVE_INFINITY && received !== size))
      throw new InvalidResponseError(`the blob does not have ${size} bytes`)
    if (!done) {
      hasher.update(value)
      return controller.enqueue(value)
    }
    const found = hasher.digest()
    if (found !== digest) throw new DigestError(`the blob has the digest ${found} in place of ${digest}`)
    controller.close()
  }
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          await take(controller)
        } catch (error) {
          await reader.cancel(error).catch(() => {})
          throw error
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  )
}

/** Rejects with a TimeoutError if something takes longer. @param timeout in milliseconds */
async function inTime<T>(work: Promise<T>, timeout: number): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new DOMException('timed out', 'TimeoutError')), timeout)
  try {
    return await Promise.race([work, promise])
  } finally {
    clearTimeout(timer)
  }
}
