import { parentPort } from 'node:worker_threads'
import type { HashAlgorithm } from '../oci/digest.ts'
import { createHasher, type Hasher } from './hasher.ts'

/** What is sent to the thread: an algorithm to begin with, then chunks, then nothing more. */
export type HashRequest = { begin: HashAlgorithm } | { chunk: Uint8Array } | { end: true }

/** What comes back: for each chunk that it may be followed, at the end the digest in hexadecimal. */
export type HashAnswer = { taken: true } | { hex: string }

let hasher: Hasher | undefined

parentPort?.on('message', async (request: HashRequest) => {
  if ('begin' in request) {
    hasher = await createHasher([request.begin])
  } else if ('chunk' in request) {
    hasher?.update(request.chunk)
  } else {
    parentPort?.postMessage({ hex: Object.values(hasher?.digests() ?? {}).join() } satisfies HashAnswer)
    return
  }
  parentPort?.postMessage({ taken: true } satisfies HashAnswer)
})
