import { createHash } from 'node:crypto'
import type { HashAlgorithm } from '../oci/digest.ts'

/** Hashes what passes by, in one or more algorithms at once, and can tell the digests at any time and go on. */
export interface Hasher {
  readonly algorithms: readonly HashAlgorithm[]
  update(chunk: Uint8Array): void
  /** The digests of what came so far, in hexadecimal. */
  digests(): Partial<Record<HashAlgorithm, string>>
}

interface RunningHash {
  update(chunk: Uint8Array): void
  current(): string
}

/** Makes a hasher of the given algorithms, each once. */
export async function createHasher(algorithms: Iterable<HashAlgorithm>): Promise<Hasher> {
  const running = new Map<HashAlgorithm, RunningHash>()
  for (const algorithm of new Set(algorithms)) {
    running.set(algorithm, algorithm === 'blake3' ? await blake3() : native(algorithm))
  }
  return {
    algorithms: [...running.keys()],
    update(chunk) {
      for (const hash of running.values()) hash.update(chunk)
    },
    digests: () => Object.fromEntries([...running].map(([algorithm, hash]) => [algorithm, hash.current()])),
  }
}

function native(algorithm: 'sha256' | 'sha512'): RunningHash {
  const hash = createHash(algorithm)
  return {
    update: (chunk) => hash.update(chunk),
    current: () => hash.copy().digest('hex'),
  }
}

async function blake3(): Promise<RunningHash> {
  const { createBLAKE3 } = await import('hash-wasm')
  const hash = (await createBLAKE3()).init()
  return {
    update: (chunk) => hash.update(chunk),
    current() {
      const state = hash.save()
      const hex = hash.digest('hex')
      hash.load(state)
      return hex
    },
  }
}
