import { createHash } from 'node:crypto'
import type { IHasher } from 'hash-wasm'
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

/** The one instance of a thread, and whose bytes it has seen. Each instance would reserve gigabytes of address space. */
interface SharedBlake3 {
  instance: IHasher
  /** Its state before the first byte. */
  initial: Uint8Array
  owner: { state: Uint8Array } | undefined
}

let sharedBlake3: Promise<SharedBlake3> | undefined

async function makeSharedBlake3(): Promise<SharedBlake3> {
  const { createBLAKE3 } = await import('hash-wasm')
  const instance = (await createBLAKE3()).init()
  return { instance, initial: instance.save(), owner: undefined }
}

/** All hashes of a thread take turns on one instance: whoever had it last has its state saved before another goes on. */
async function blake3(): Promise<RunningHash> {
  sharedBlake3 ??= makeSharedBlake3()
  const shared = await sharedBlake3
  const mine = { state: shared.initial }
  return {
    update: (chunk) => takeTurn(shared, mine).update(chunk),
    current() {
      const instance = takeTurn(shared, mine)
      mine.state = instance.save()
      // A digest ends what the instance was doing.
      shared.owner = undefined
      return instance.digest('hex')
    },
  }
}

function takeTurn(shared: SharedBlake3, mine: { state: Uint8Array }): IHasher {
  const { instance, owner } = shared
  if (owner === mine) return instance
  if (owner !== undefined) owner.state = instance.save()
  instance.load(mine.state)
  shared.owner = mine
  return instance
}
