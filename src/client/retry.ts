import { ClientError, ResponseError } from './error.ts'

const FIRST_DELAY = 200
/** Statuses after which a later attempt may succeed. */
const TEMPORARY = [408, 409, 416, 429, 500, 502, 503, 504]

/** Whether a failed request may be tried again: there was no response, or one that allows it. */
export function isTemporary(error: unknown, signal: AbortSignal | undefined): boolean {
  if (signal?.aborted) return false
  return error instanceof ResponseError ? TEMPORARY.includes(error.status) : !(error instanceof ClientError)
}

/** Waits before the next attempt, longer after each. @param attempt counted from 1 */
export async function wait(attempt: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, FIRST_DELAY * 2 ** (attempt - 1))
  const abort = () => reject(signal?.reason)
  signal?.addEventListener('abort', abort)
  try {
    await promise
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}
