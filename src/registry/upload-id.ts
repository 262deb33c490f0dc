import { createHmac, timingSafeEqual } from 'node:crypto'
import { HASH_ALGORITHMS, type HashAlgorithm } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'

const TIME_BYTES = 6
const RANDOM_BYTES = 10
const ALGORITHM_AT = TIME_BYTES + RANDOM_BYTES
const CLAIMS_BYTES = ALGORITHM_AT + 1
const MAC_BYTES = 15
const FORM = new RegExp(`^[0-9a-f]{${2 * (CLAIMS_BYTES + MAC_BYTES)}}$`)
const ALGORITHMS = Object.keys(HASH_ALGORITHMS) as HashAlgorithm[]

/** What the id of an upload says of it. */
export interface UploadClaims {
  /** Milliseconds since the epoch. */
  startedAt: number
  /** The algorithm that was named before the first byte came; sha256 if none was. */
  algorithm: HashAlgorithm
}

/**
 * Makes the id of an upload: 64 hexadecimal digits that hold time, randomness and algorithm, and a MAC that binds them to the
 * repository. So an upload that holds no bytes needs no row, and ids sort by age.
 *
 * @param random 10 random bytes
 */
export function formatUploadId(
  secret: Uint8Array,
  repository: RepositoryName,
  { startedAt, algorithm }: UploadClaims,
  random: Uint8Array,
): string {
  const claims = Buffer.alloc(CLAIMS_BYTES)
  claims.writeUIntBE(startedAt, 0, TIME_BYTES)
  claims.set(random.subarray(0, RANDOM_BYTES), TIME_BYTES)
  claims[ALGORITHM_AT] = ALGORITHMS.indexOf(algorithm)
  return claims.toString('hex') + macOf(secret, repository, claims).toString('hex')
}

/** Reads an upload's id; undefined unless this registry made it for this repository. */
export function parseUploadId(
  secret: Uint8Array,
  repository: RepositoryName,
  id: string,
): UploadClaims | undefined {
  if (!FORM.test(id)) return undefined
  const bytes = Buffer.from(id, 'hex')
  const claims = bytes.subarray(0, CLAIMS_BYTES)
  if (!timingSafeEqual(bytes.subarray(CLAIMS_BYTES), macOf(secret, repository, claims))) return undefined
  const algorithm = ALGORITHMS[claims[ALGORITHM_AT] ?? 0]
  return algorithm && { startedAt: claims.readUIntBE(0, TIME_BYTES), algorithm }
}

/** What is less than every id that was made at a time or later. */
export function uploadIdsBefore(time: number): string {
  return Math.max(0, time)
    .toString(16)
    .padStart(2 * TIME_BYTES, '0')
}

function macOf(secret: Uint8Array, repository: RepositoryName, claims: Uint8Array): Buffer {
  const mac = createHmac('sha256', secret).update(`upload\0${repository}\0`).update(claims)
  return mac.digest().subarray(0, MAC_BYTES)
}
