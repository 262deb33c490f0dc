import { digestOf } from '../client/hasher.ts'
import { parseDigest } from '../oci/digest.ts'
import type { ProbeAnswer } from './exchange.ts'
import { Failure } from './outcome.ts'
import { type Probe, requireHeader, wantBody, wantStatus } from './probe.ts'
import { locationOf } from './upload.ts'

/** The path of a blob. */
export function blobPath(repository: string, digest: string): string {
  return `/v2/${repository}/blobs/${digest}`
}

/** Registers a blob to be deleted afterwards. */
export function cleanUpBlob(probe: Probe, digest: string): void {
  probe.cleanUp({ method: 'DELETE', target: blobPath(probe.repository, digest) })
}

/** Fails unless a blob was refused because of its digest. If it was accepted, it will be deleted. */
export function wantRefused(probe: Probe, pushed: ProbeAnswer, digest: string): void {
  if (pushed.status === 201) cleanUpBlob(probe, digest)
  wantStatus(pushed, 400)
}

/** Requests a blob of the case's repository. Accepts any answer. */
export async function askForBlob(
  probe: Probe,
  digest: string,
  { method = 'GET', headers = {} }: { method?: 'GET' | 'HEAD'; headers?: Record<string, string> } = {},
): Promise<ProbeAnswer> {
  return await probe.send({ method, target: blobPath(probe.repository, digest), headers })
}

/** Fails unless the blob exists, byte for byte. */
export async function wantBlob(probe: Probe, digest: string, bytes: Uint8Array): Promise<void> {
  const pulled = await askForBlob(probe, digest)
  wantStatus(pulled, 200)
  wantBody(pulled, bytes)
}

/** Fails unless an answer says that a blob was created, and where it can be pulled. */
export async function wantCreated(
  probe: Probe,
  created: ProbeAnswer,
  { target, bytes }: { target: string; bytes: Uint8Array },
): Promise<void> {
  wantStatus(created, 201)
  const pulled = await probe.send({ method: 'GET', target: locationOf(probe, target, created) })
  wantStatus(pulled, 200)
  wantBody(pulled, bytes)
}

/** Fails unless `Docker-Content-Digest` is a digest of these bytes, in any algorithm. Unknown algorithms pass. */
export async function wantDigestOf(answer: ProbeAnswer, bytes: Uint8Array): Promise<void> {
  const name = 'Docker-Content-Digest'
  const found = requireHeader(answer, name)
  if (parseDigest(found) === undefined) throw new Failure(`a digest as ${name}`, found)
  const algorithm = found.slice(0, found.indexOf(':'))
  if (algorithm !== 'sha256' && algorithm !== 'sha512') return
  const wanted = await digestOf(bytes, algorithm)
  if (found !== wanted) throw new Failure(`${name}: ${wanted}`, `${name}: ${found}`)
}
