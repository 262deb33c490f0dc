import { blake3, createBLAKE3, createSHA256, createSHA512, sha256, sha512 } from 'hash-wasm'
import { type Digest, formatDigest, type HashAlgorithm, parseHashAlgorithm } from '../oci/digest.ts'
import { DigestError } from './error.ts'

/** Hashes bytes as they pass. */
export interface Hasher {
  update(bytes: Uint8Array): void
  /** The digest of all bytes. It may be called only once. */
  digest(): Digest
}

const WHOLE = { sha256, sha512, blake3 }
const RUNNING = { sha256: createSHA256, sha512: createSHA512, blake3: createBLAKE3 }

/** Makes a hasher. */
export async function openHasher(algorithm: HashAlgorithm): Promise<Hasher> {
  const running = (await RUNNING[algorithm]()).init()
  return {
    update: (bytes) => void running.update(bytes),
    digest: () => formatDigest(algorithm, running.digest('hex')),
  }
}

/** The digest of bytes. */
export async function digestOf(bytes: Uint8Array, algorithm: HashAlgorithm = 'sha256'): Promise<Digest> {
  return formatDigest(algorithm, await WHOLE[algorithm](bytes))
}

/** The algorithm of a digest. @throws DigestError if it can't be computed here */
export function algorithmOf(digest: Digest): HashAlgorithm {
  const algorithm = parseHashAlgorithm(digest.slice(0, digest.indexOf(':')))
  if (algorithm === undefined) throw new DigestError(`${digest} is of an algorithm that is not supported`)
  return algorithm
}
