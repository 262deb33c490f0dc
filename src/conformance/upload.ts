import type { ProbeAnswer } from './exchange.ts'
import { digestOf, type Probe, requireHeader, wantStatus } from './probe.ts'

/** Begins an upload. @returns its location, as the registry gave it */
export async function startUpload(probe: Probe, repository = probe.repository, query = ''): Promise<string> {
  const begun = await probe.send({
    method: 'POST',
    target: `/v2/${repository}/blobs/uploads/${query}`,
    headers: { 'Content-Length': '0' },
  })
  wantStatus(begun, 202)
  return requireHeader(begun, 'location')
}

/** A location with one more query parameter; it may have critical ones of its own. */
export function withParameter(location: string, name: string, value: string): string {
  return `${location}${location.includes('?') ? '&' : '?'}${name}=${encodeURIComponent(value)}`
}

/** Closes an upload with a body that is the whole of it or its last chunk. */
export async function closeUpload(
  probe: Probe,
  location: string,
  {
    digest,
    body = new Uint8Array(),
    headers = {},
  }: { digest: string; body?: Uint8Array; headers?: Record<string, string> },
): Promise<ProbeAnswer> {
  return await probe.send({
    method: 'PUT',
    target: withParameter(location, 'digest', digest),
    headers: { 'Content-Type': 'application/octet-stream', ...headers },
    body,
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
