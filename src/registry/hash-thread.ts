import { parentPort } from 'node:worker_threads'
import type { HashAlgorithm } from '../oci/digest.ts'
import { createHasher, type Hasher } from './hasher.ts'

/** A message to the thread: first an algorithm, then chunks, then the end. */
export type HashRequest = { begin: HashAlgorithm } | { chunk: Uint8Array } | { end: true }

/** A message from the thread: after each chunk, that the next one may follow; at the end, the digest in hexadecimal. */
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
