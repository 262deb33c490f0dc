import { digestOf } from '../client/hasher.ts'
import type { ProbeAnswer } from './exchange.ts'
import { Failure, NotSupported } from './outcome.ts'
import { type Probe, requireHeader, wantStatus } from './probe.ts'

/** A chunk as it is sent. */
export interface Chunk {
  bytes: Uint8Array
  /** Where in the blob it begins; if absent, it is sent without `Content-Range`. */
  start?: number
  /** Sends it without its length. */
  streamed?: boolean
}

/** An upload in chunks that was begun. */
export interface ChunkedUpload {
  location: string
  /** The length of each chunk except the last. */
  chunkSize: number
  /** The minimum length that the registry requires. */
  minLength: string | undefined
}

const CHUNK_SIZE = 1024
const MAX_CHUNK_SIZE = 16 * 1024 * 1024

/** Begins an upload. @returns its location */
export async function startUpload(probe: Probe, repository = probe.repository): Promise<string> {
  const target = `/v2/${repository}/blobs/uploads/`
  const begun = await postUpload(probe, target)
  wantStatus(begun, 202)
  return locationOf(probe, target, begun)
}

/** Requests a new upload. Accepts any answer. */
export async function postUpload(probe: Probe, target: string): Promise<ProbeAnswer> {
  return await probe.send({ method: 'POST', target, headers: { 'Content-Length': '0' } })
}

/** Handles the answer that begins an upload, and registers the upload to be cancelled afterwards. @returns its location */
export function acceptUpload(probe: Probe, target: string, begun: ProbeAnswer): string {
  wantStatus(begun, 202)
  const location = locationOf(probe, target, begun)
  leaveUpload(probe, location)
  return location
}

/** Registers an open upload to be cancelled afterwards. */
export function leaveUpload(probe: Probe, location: string): void {
  probe.cleanUp({ method: 'DELETE', target: location })
}

/** The location in an answer, in any form of URL. */
export function locationOf(probe: Probe, target: string, answer: ProbeAnswer): string {
  const location = requireHeader(answer, 'Location')
  const url = URL.parse(location, new URL(target, probe.origin))
  if (url === null) throw new Failure('a Location that is a URL', location)
  return url.href
}

/** A location with one more query parameter; it may already have essential ones. */
export function withParameter(location: string, name: string, value: string): string {
  return `${location}${location.includes('?') ? '&' : '?'}${name}=${encodeURIComponent(value)}`
}

/** Closes an upload with a body that is the whole content or its last chunk. */
export async function closeUpload(
  probe: Probe,
  location: string,
  { digest, body, headers = {} }: { digest: string; body?: Uint8Array; headers?: Record<string, string> },
): Promise<ProbeAnswer> {
  return await probe.send({
    method: 'PUT',
    target: withParameter(location, 'digest', digest),
    headers: { ...(body && { 'Content-Type': 'application/octet-stream' }), ...headers },
    ...(body && { body }),
  })
}

/** Pushes a blob by POST and PUT and has it deleted afterwards. @returns its digest */
export async function pushBlob(
  probe: Probe,
  bytes: Uint8Array,
  repository = probe.repository,
): Promise<string> {
  const digest = await digestOf(bytes)
  probe.cleanUp({ method: 'DELETE', target: `/v2/${repository}/blobs/${digest}` })
  wantStatus(await closeUpload(probe, await startUpload(probe, repository), { digest, body: bytes }), 201)
  return digest
}

/** Begins an upload in chunks of the given length, or of the length that the registry requires. */
export async function startChunks(
  probe: Probe,
  { query = '', chunkSize = CHUNK_SIZE }: { query?: string; chunkSize?: number } = {},
): Promise<ChunkedUpload> {
  const target = `/v2/${probe.repository}/blobs/uploads/${query}`
  const begun = await postUpload(probe, target)
  wantStatus(begun, 202)
  const location = locationOf(probe, target, begun)
  const minLength = begun.headers.get('OCI-Chunk-Min-Length') ?? undefined
  const minimum = isLength(minLength) ? Number(minLength) : 0
  if (minimum > MAX_CHUNK_SIZE) throw new NotSupported(`wants chunks of ${minimum} bytes`)
  return { location, chunkSize: Math.max(chunkSize, minimum), minLength }
}

/** Whether a registry refuses a request, rather than failing to handle it. */
export function isRefused({ status }: ProbeAnswer): boolean {
  return status === 501 || (status >= 400 && status < 500)
}

/** Throws NotSupported if the registry declares that it does not have a method here. */
export function needMethod({ status }: ProbeAnswer, method: string): void {
  if (status === 405 || status === 501) throw new NotSupported(`${method} is answered with ${status}`)
}

/** Whether a header's value is a number of bytes. */
export function isLength(text = ''): boolean {
  return /^\d+$/.test(text)
}

/** Sends a chunk. Accepts any answer. */
export async function sendChunk(probe: Probe, location: string, chunk: Chunk): Promise<ProbeAnswer> {
  return await probe.send({
    method: 'PATCH',
    target: location,
    headers: { 'Content-Type': 'application/octet-stream', ...rangeOf(chunk) },
    body: chunk.bytes,
    streamed: chunk.streamed ?? false,
  })
}

/** Sends a chunk that must be accepted. @returns where the next one goes */
export async function addChunk(probe: Probe, location: string, chunk: Chunk): Promise<string> {
  const added = await sendChunk(probe, location, chunk)
  wantStatus(added, 202)
  return locationOf(probe, location, added)
}

/** Closes an upload with its last chunk. */
export async function closeWithChunk(
  probe: Probe,
  location: string,
  { chunk, digest }: { chunk: Chunk; digest: string },
): Promise<ProbeAnswer> {
  return await closeUpload(probe, location, { digest, body: chunk.bytes, headers: rangeOf(chunk) })
}

function rangeOf({ bytes, start }: Chunk): Record<string, string> {
  return start === undefined ? {} : { 'Content-Range': `${start}-${start + bytes.length - 1}` }
}
