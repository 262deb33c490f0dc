import { type Digest, parseDigest } from '../oci/digest.ts'
import { parseJson } from '../oci/json.ts'
import { parseReference, parseRepositoryName, type Reference, type RepositoryName } from '../oci/reference.ts'
import { TextError } from '../oci/text-error.ts'
import { readBody } from './body.ts'
import { type ErrorEntry, InvalidResponseError, ResponseError } from './error.ts'
import type { Received, SendInSession, SessionRequest } from './session.ts'

const MAX_ERROR_BODY = 64 * 1024
const MAX_ERRORS = 100

/** A repository, and the session that sends requests to its registry. */
export interface RepositorySession {
  name: RepositoryName
  send: SendInSession
  /** How long a body may deliver no bytes, in milliseconds. */
  timeout: number
}

/**
 * Sends a request whose response must have one of some statuses.
 *
 * @param read reads the body of such a response
 * @throws ResponseError if it has another status
 */
export async function ask<T>(
  send: SendInSession,
  request: SessionRequest,
  { statuses, read }: { statuses: readonly number[]; read(response: Response): Promise<T> },
): Promise<Received<T>> {
  const received = await send(request, async (response) =>
    statuses.includes(response.status)
      ? { content: await read(response) }
      : { errors: await readErrors(response) },
  )
  const { errors, content } = received.body
  if (errors === undefined) return { ...received, body: content }
  // The query may contain credentials.
  const path = request.target.split('?', 1)[0]
  throw new ResponseError(`${request.method} ${path}`, { status: received.status, errors })
}

/** For responses whose body has no information. */
export async function ignoreBody(response: Response): Promise<void> {
  await response.body?.cancel()
}

async function readErrors(response: Response): Promise<ErrorEntry[]> {
  const { errors } = await readBody(response, MAX_ERROR_BODY)
    .then(objectOf)
    .catch(() => ({ errors: undefined }))
  if (!Array.isArray(errors)) return []
  return errors.slice(0, MAX_ERRORS).flatMap((entry: unknown) => {
    if (!isObject(entry) || typeof entry.code !== 'string') return []
    const message = typeof entry.message === 'string' ? entry.message : ''
    return [{ code: entry.code, message, ...('detail' in entry && { detail: entry.detail }) }]
  })
}

/** Reads a body as a JSON object. @throws InvalidResponseError if it is something else */
export function objectOf(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const value = parseJson(bytes)
    if (isObject(value)) return value
  } catch (error) {
    if (!(error instanceof TextError)) throw error
  }
  throw new InvalidResponseError('the response is not a JSON object')
}

/** Whether something parsed is a JSON object. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The digest from the headers of a response; undefined if there is none. @throws InvalidResponseError if it is malformed */
export function digestIn(
  headers: Headers,
  header: 'Docker-Content-Digest' | 'OCI-Subject' = 'Docker-Content-Digest',
): Digest | undefined {
  const text = headers.get(header)
  if (text === null) return undefined
  const digest = parseDigest(text)
  if (digest === undefined) throw new InvalidResponseError(`the header ${header} is malformed`)
  return digest
}

/** The length from the headers of a response, in bytes; undefined if there is none. */
export function lengthIn(headers: Headers): number | undefined {
  // In that case it is the length of the compressed body, which fetch decompresses.
  if (headers.has('content-encoding')) return undefined
  const text = headers.get('content-length')
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

/** @throws TypeError if a program gave something that is not a repository name */
export function repositoryArgument(text: string): RepositoryName {
  return checked(text, parseRepositoryName(text), 'repository name')
}

/** @throws TypeError if a program gave something that is not a digest */
export function digestArgument(text: string): Digest {
  return checked(text, parseDigest(text), 'digest')
}

/** @throws TypeError if a program gave something that is neither a tag nor a digest */
export function referenceArgument(text: string): Reference {
  return checked(text, parseReference(text), 'tag or digest')
}

function checked<T>(text: string, value: T | undefined, what: string): T {
  if (value === undefined) throw new TypeError(`${JSON.stringify(text)} is not a valid ${what}`)
  return value
}
