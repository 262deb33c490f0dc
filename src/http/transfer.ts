import type { ServerResponse } from 'node:http'
import type { FileSlice } from '../registry/registry.ts'
import { chunksOf, closeBytes } from '../registry/stored-bytes.ts'
import type { AnswerWatch } from './answer-watch.ts'
import type { MemoryShare } from './body-memory.ts'
import type { BufferPool } from './buffer-pool.ts'
import { type HttpBody, PeerGoneError } from './message.ts'
import type { RequestBody } from './request-body.ts'
import type { ZeroCopy } from './zero-copy.ts'

/** How much is sent at a time. */
export const CHUNK_SIZE = 1024 * 1024
const SCARCE_CHUNK_SIZE = 64 * 1024
/** This many bytes are written in the ordinary way to find out when a full connection accepts more. */
const UNBLOCKING_SIZE = 16 * 1024
const MAX_TEXT = 16 * 1024
const TOO_SHORT = 'a stored file ends before its length'
const MAX_DRAINED_MS = 30_000
const MAX_SILENCE_MS = 1_000

/** What bodies are sent with, and their limits. */
export interface Delivery {
  response: ServerResponse
  /** For files, if the platform supports it. */
  zeroCopy: ZeroCopy | undefined
  /** For reading data that is only on the disk into the page cache. */
  buffers: BufferPool
  /** Cuts a client that reads almost nothing. */
  watch: AnswerWatch
  /** The memory that is held for this answer. */
  memory: MemoryShare
  /** How many bytes of the body were passed to the connection. */
  sent: number
}

/** Sends a body and ends the response. Rejects, with the connection closed, if it can't be sent whole. */
export async function sendBody(delivery: Delivery, body: HttpBody | undefined): Promise<void> {
  const { response, watch, memory } = delivery
  if (body === undefined) return void response.end()
  if (body.type === 'bytes') {
    delivery.sent += body.bytes.length
    endWith(response, body.bytes)
    // The system has accepted most answers completely by now, and they need no watching.
    if (response.socket === null || response.socket.writableLength === 0) return
    memory.add(body.bytes.length)
    return watch(response)
  }
  watch(response)
  try {
    if (body.type === 'file') await sendFile(delivery, body)
    else await sendStream(delivery, body)
    response.end()
  } catch (error) {
    response.destroy()
    throw error
  }
}

/** Text is written with the headers in one step, bytes in a second one. */
function endWith(response: ServerResponse, bytes: Uint8Array): void {
  if (bytes.length > MAX_TEXT) return void response.end(bytes)
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  response.end(view.toString('latin1'), 'latin1')
}

async function sendStream(delivery: Delivery, body: Extract<HttpBody, { type: 'stream' }>): Promise<void> {
  const { response, memory } = delivery
  if (body.length !== undefined) memory.add(Math.min(body.length, CHUNK_SIZE))
  // The next bytes may come late or never, and nobody waits for them any longer.
  const stop = () => void closeBytes(body).catch(() => {})
  response.once('close', stop)
  try {
    for await (const chunk of chunksOf(body)) await write(delivery, chunk)
  } finally {
    response.off('close', stop)
  }
}

async function sendFile(delivery: Delivery, file: FileSlice): Promise<void> {
  const { response, zeroCopy } = delivery
  try {
    if (zeroCopy?.offers(response, file)) await sendInside(delivery, file, zeroCopy)
    else await sendByReading(delivery, file)
  } finally {
    await file.close()
  }
}

/**
 * Lets the kernel send. Data that is only on the disk is read first, so that it is in the page cache. A transfer holds only a small buffer
 * of its own, for bytes that are written in the ordinary way: when the connection is full, or the system evicted the data at once.
 */
async function sendInside(delivery: Delivery, file: FileSlice, zeroCopy: ZeroCopy): Promise<void> {
  const { response, buffers, memory } = delivery
  response.flushHeaders()
  if (response.socket?.writableLength !== 0) await write(delivery, new Uint8Array())
  let own: Buffer | undefined
  let readAt = -1
  for (let at = 0; at < file.length; ) {
    const position = file.start + at
    const length = Math.min(CHUNK_SIZE, file.length - at)
    if (response.destroyed) throw new PeerGoneError('the client closed the connection')
    const step = await zeroCopy.step(response, file, { position, length })
    if (typeof step === 'number') {
      at += step
      delivery.sent += step
    } else if (step === 'cold' && readAt !== at) {
      await buffers.use((buffer) => file.read(buffer.subarray(0, length), position))
      readAt = at
    } else {
      if (own === undefined) memory.add(UNBLOCKING_SIZE)
      own ??= Buffer.allocUnsafeSlow(UNBLOCKING_SIZE)
      at += await sendChunk(delivery, file, position, own.subarray(0, length))
    }
  }
}

async function sendChunk(
  delivery: Delivery,
  file: FileSlice,
  position: number,
  buffer: Buffer,
): Promise<number> {
  const read = await file.read(buffer, position)
  if (read === 0) throw new Error(TOO_SHORT)
  await write(delivery, buffer.subarray(0, read))
  return read
}

/** Reads a megabyte while the one before is being sent; less if memory is scarce. */
async function sendByReading(delivery: Delivery, file: FileSlice): Promise<void> {
  const { memory } = delivery
  const size = Math.min(memory.isScarce ? SCARCE_CHUNK_SIZE : CHUNK_SIZE, file.length)
  memory.add(2 * size)
  const buffers = [0, 1].map(() => Buffer.allocUnsafeSlow(size))
  let sent: Promise<void> = Promise.resolve()
  for (let at = 0, turn = 0; at < file.length; turn++) {
    const buffer = (buffers[turn % 2] as Buffer).subarray(0, file.length - at)
    const read = await file.read(buffer, file.start + at)
    if (read === 0) throw new Error(TOO_SHORT)
    await sent
    sent = write(delivery, buffer.subarray(0, read))
    // It is awaited with the next chunk; until then a failure must not count as unhandled.
    sent.catch(() => {})
    at += read
  }
  await sent
}

/** Writes a chunk. A connection that closes under a write may forget it, so that is listened for as well. */
function write(delivery: Delivery, chunk: Uint8Array): Promise<void> {
  const { response } = delivery
  delivery.sent += chunk.length
  return new Promise((resolve, reject) => {
    const fail = (cause?: unknown) => reject(new PeerGoneError('the client closed the connection', { cause }))
    if (response.destroyed) return fail()
    response.once('close', fail)
    response.write(chunk, (error) => {
      response.off('close', fail)
      if (error) fail(error)
      else resolve()
    })
  })
}

/**
 * Sends an answer to a client that is still sending its body, or that may begin to send it without waiting for `100 Continue`. It sends the
 * answer first and then discards the body for a bounded time, since closing at once would take the answer from the client.
 *
 * @param mayBeSilent whether the client may be waiting rather than sending
 */
export async function sendEarly(
  delivery: Delivery,
  body: HttpBody | undefined,
  { rest, mayBeSilent }: { rest: RequestBody | undefined; mayBeSilent: boolean },
): Promise<void> {
  const { response } = delivery
  if (body === undefined) response.flushHeaders()
  else if (body.type === 'bytes') {
    delivery.sent += body.bytes.length
    response.write(body.bytes)
  } else return await sendBody(delivery, body)
  await rest?.drain(mayBeSilent ? MAX_SILENCE_MS : MAX_DRAINED_MS)
  response.end()
  delivery.watch(response)
}
