import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { HashAlgorithm } from '../oci/digest.ts'
import type { BlobBytes } from '../storage/blob-store.ts'
import type { HashAnswer, HashRequest } from './hash-thread.ts'
import { chunksOf, closeBytes } from './stored-bytes.ts'

const MAX_THREADS = 2

let running = 0
const queue: (() => void)[] = []

/**
 * Hashes bytes that are already stored, on a thread that answers no requests. It is needed if the closing digest has an algorithm that was
 * not named before the bytes arrived, and for uploads that were continued after a restart.
 *
 * @param bytes closed when the hash is known
 * @returns the digest in hexadecimal
 */
export async function rehash(bytes: BlobBytes, algorithm: HashAlgorithm): Promise<string> {
  if (running >= MAX_THREADS) await new Promise<void>((resolve) => queue.push(resolve))
  running++
  let thread: Worker | undefined
  try {
    thread = new Worker(new URL('./hash-thread.ts', import.meta.url), { execArgv: [] })
    await send(thread, { begin: algorithm })
    for await (const chunk of chunksOf(bytes)) await sendChunk(thread, chunk, bytes.type)
    const answer = await send(thread, { end: true })
    if ('hex' in answer) return answer.hex
    throw new Error('the hash thread gave no digest')
  } finally {
    await thread?.terminate()
    await closeBytes(bytes)
    running--
    queue.shift()?.()
  }
}

/** Transfers a chunk. Only chunks of files own their memory; of others, a copy is transferred. */
async function sendChunk(thread: Worker, chunk: Uint8Array, from: BlobBytes['type']): Promise<void> {
  const own = from === 'file' ? chunk : new Uint8Array(chunk)
  await send(thread, { chunk: own }, [own.buffer as ArrayBuffer])
}

async function send(thread: Worker, request: HashRequest, transfer: ArrayBuffer[] = []): Promise<HashAnswer> {
  const answered = once(thread, 'message')
  thread.postMessage(request, transfer)
  const [answer] = await answered
  return answer as HashAnswer
}
