import { createHash, hash as hashAtOnce } from 'node:crypto'
import type { IHasher } from 'hash-wasm'
import type { HashAlgorithm } from '../oci/digest.ts'

/** Hashes a stream of bytes in one or more algorithms at once. It can return the digests at any time and then continue. */
export interface Hasher {
  readonly algorithms: readonly HashAlgorithm[]
  update(chunk: Uint8Array): void
  /** The digests of the bytes so far, in hexadecimal. */
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

/** The hash of bytes, in hexadecimal. This costs half as much as a {@link Hasher}. */
export async function hashOf(algorithm: HashAlgorithm, bytes: Uint8Array): Promise<string> {
  if (algorithm !== 'blake3') return hashAtOnce(algorithm, bytes)
  const hash = await blake3()
  hash.update(bytes)
  return hash.current()
}

function native(algorithm: 'sha256' | 'sha512'): RunningHash {
  const hash = createHash(algorithm)
  return {
    update: (chunk) => hash.update(chunk),
    current: () => hash.copy().digest('hex'),
  }
}

/** The only instance of a thread, and the hasher whose bytes it has seen. Each further instance would reserve gigabytes of address space. */
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

/** All hashers of a thread take turns on one instance. The state of the hasher that used it last is saved before another one continues. */
async function blake3(): Promise<RunningHash> {
  sharedBlake3 ??= makeSharedBlake3()
  const shared = await sharedBlake3
  const mine = { state: shared.initial }
  return {
    update: (chunk) => takeTurn(shared, mine).update(chunk),
    current() {
      const instance = takeTurn(shared, mine)
      mine.state = instance.save()
      // Computing a digest ends the current hash of the instance.
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
