import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto'
import { HASH_ALGORITHMS, type HashAlgorithm } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'

const UUID_BYTES = 16
const TIME_BYTES = 6
const MAC_BYTES = 15
const FORM = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}-[0-9a-f]{32}$/
const ALGORITHMS = Object.keys(HASH_ALGORITHMS) as HashAlgorithm[]

/** What the id of an upload says about it. */
export interface UploadClaims {
  /** Milliseconds since the epoch. */
  startedAt: number
  /** The algorithm that was named before the first byte arrived; sha256 if none was. */
  algorithm: HashAlgorithm
}

/**
 * Makes the id of an upload: a UUID of version 7, which holds the time, then the algorithm and a MAC that binds both to the repository. An
 * upload that holds no bytes therefore needs no row, and ids sort by age.
 *
 * @param random 10 random bytes
 * @see OCI Distribution Specification, "POST then PUT"; RFC 9562, section 5.7
 */
export function formatUploadId(
  secret: Uint8Array,
  repository: RepositoryName,
  { startedAt, algorithm }: UploadClaims,
  random: Uint8Array,
): string {
  const claims = Buffer.alloc(UUID_BYTES + 1)
  claims.writeUIntBE(startedAt, 0, TIME_BYTES)
  claims.set(random.subarray(0, UUID_BYTES - TIME_BYTES), TIME_BYTES)
  claims[6] = 0x70 | ((claims[6] ?? 0) & 0x0f)
  claims[8] = 0x80 | ((claims[8] ?? 0) & 0x3f)
  claims[UUID_BYTES] = ALGORITHMS.indexOf(algorithm)
  const hex = claims.toString('hex')
  const groups = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)]
  return `${groups.join('-')}-${hex.slice(32)}${macOf(secret, repository, claims).toString('hex')}`
}

/** Reads an upload's id; undefined unless this registry made it for this repository. */
export function parseUploadId(
  secret: Uint8Array,
  repository: RepositoryName,
  id: string,
): UploadClaims | undefined {
  if (!FORM.test(id)) return undefined
  const bytes = Buffer.from(id.replaceAll('-', ''), 'hex')
  const claims = bytes.subarray(0, UUID_BYTES + 1)
  if (!timingSafeEqual(bytes.subarray(UUID_BYTES + 1), macOf(secret, repository, claims))) return undefined
  const algorithm = ALGORITHMS[claims[UUID_BYTES] ?? 0]
  return algorithm && { startedAt: claims.readUIntBE(0, TIME_BYTES), algorithm }
}

/** A text that sorts before every id that was made at the given time or later. */
export function uploadIdsBefore(time: number): string {
  const hex = Math.max(0, time)
    .toString(16)
    .padStart(2 * TIME_BYTES, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}`
}

function macOf(secret: Uint8Array, repository: RepositoryName, claims: Uint8Array): Buffer {
  const mac = createHmac('sha256', keyOf(secret)).update(`upload\0${repository}\0`).update(claims)
  return mac.digest().subarray(0, MAC_BYTES)
}

const keys = new WeakMap<Uint8Array, KeyObject>()

/** Node would otherwise make a key from the secret for each MAC. */
function keyOf(secret: Uint8Array): KeyObject {
  const known = keys.get(secret)
  if (known !== undefined) return known
  const key = createSecretKey(secret)
  keys.set(secret, key)
  return key
}
