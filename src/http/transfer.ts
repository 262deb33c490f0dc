import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FileSlice } from '../registry/registry.ts'
import { type HttpBody, PeerGoneError } from './message.ts'
import type { ZeroCopy } from './zero-copy.ts'

const CHUNK_SIZE = 1024 * 1024
const UNBLOCKING_SIZE = 64 * 1024
const MAX_TEXT = 16 * 1024
const TOO_SHORT = 'a stored file ends before its length'
const IDLE_MS = 60_000
const WINDOW_MS = 60_000
/** 1 KiB/s. */
const MIN_BYTES_PER_MS = 1.024
const MAX_DRAINED_BYTES = 256 * 1024 * 1024
const MAX_DRAINED_MS = 30_000
const MAX_SILENCE_MS = 1_000

/**
 * Watches that a transfer goes on: no time limit, but at least 1 KiB/s over each minute.
 *
 * @returns what to call with the bytes of each step; throws PeerGoneError if it is too slow
 */
function rateGuard(): (bytes: number) => void {
  let windowStart = performance.now()
  let windowBytes = 0
  return (bytes) => {
    windowBytes += bytes
    const now = performance.now()
    const elapsed = now - windowStart
    if (elapsed < WINDOW_MS) return
    if (windowBytes < elapsed * MIN_BYTES_PER_MS) throw new PeerGoneError('the peer is too slow')
    windowStart = now
    windowBytes = 0
  }
}

/**
 * The body of a request. The client is asked to go on, where it waits for that, when the first byte is wanted; so an early refusal
 * saves it the transfer.
 */
export async function* requestBody(request: IncomingMessage, goOn: () => void): AsyncGenerator<Uint8Array> {
  goOn()
  if (request.complete && request.readableLength === 0) return
  const guard = rateGuard()
  request.socket.setTimeout(IDLE_MS)
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      guard(chunk.length)
      yield chunk
    }
  } catch (error) {
    throw error instanceof PeerGoneError ? error : new PeerGoneError('the client broke off', { cause: error })
  } finally {
    request.socket.setTimeout(0)
  }
}

/**
 * Sends a body and ends the response. Rejects, with the connection closed, if it can't be sent whole.
 *
 * @param zeroCopy for files, where it is offered
 */
export async function sendBody(
  response: ServerResponse,
  body: HttpBody | undefined,
  zeroCopy: ZeroCopy | undefined,
): Promise<void> {
  if (body === undefined) return void response.end()
  if (body.type === 'bytes') return endWith(response, body.bytes)
  response.socket?.setTimeout(IDLE_MS)
  try {
    if (body.type === 'file') await sendFile(response, body, zeroCopy)
    else for await (const chunk of body.chunks) await write(response, chunk)
    response.end()
  } catch (error) {
    response.destroy()
    throw error
  } finally {
    response.socket?.setTimeout(0)
  }
}

/** Text is written with the headers in one step, bytes in a second one. */
function endWith(response: ServerResponse, bytes: Uint8Array): void {
  if (bytes.length > MAX_TEXT) return void response.end(bytes)
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  response.end(view.toString('latin1'), 'latin1')
}

async function sendFile(
  response: ServerResponse,
  file: FileSlice,
  zeroCopy: ZeroCopy | undefined,
): Promise<void> {
  try {
    if (zeroCopy?.offers(response, file)) await sendInside(response, file, zeroCopy)
    else await sendByReading(response, file)
  } finally {
    await file.close()
  }
}

/** Lets the kernel send, and reads only what is on the disk alone, or to learn when a full connection takes more. */
async function sendInside(response: ServerResponse, file: FileSlice, zeroCopy: ZeroCopy): Promise<void> {
  const guard = rateGuard()
  response.flushHeaders()
  if (response.socket?.writableLength !== 0) await write(response, new Uint8Array())
  for (let at = 0; at < file.length; ) {
    const position = file.start + at
    const length = Math.min(CHUNK_SIZE, file.length - at)
    if (response.destroyed) throw new PeerGoneError('the client broke off')
    const step = await zeroCopy.step(response, file, { position, length })
    const size = step === 'full' ? Math.min(UNBLOCKING_SIZE, length) : length
    const sent = typeof step === 'number' ? step : await sendChunk(response, file, { position, size })
    at += sent
    guard(sent)
    // The connection doesn't see what the kernel sends, and would take itself for idle.
    response.socket?.setTimeout(IDLE_MS)
  }
}

async function sendChunk(
  response: ServerResponse,
  file: FileSlice,
  { position, size }: { position: number; size: number },
): Promise<number> {
  const buffer = Buffer.allocUnsafeSlow(size)
  const read = await file.read(buffer, position)
  if (read === 0) throw new Error(TOO_SHORT)
  await write(response, buffer.subarray(0, read))
  return read
}

/** Reads a megabyte while the one before is being sent. */
async function sendByReading(response: ServerResponse, file: FileSlice): Promise<void> {
  const guard = rateGuard()
  const buffers = [0, 1].map(() => Buffer.allocUnsafeSlow(Math.min(CHUNK_SIZE, file.length)))
  let sent: Promise<void> = Promise.resolve()
  for (let at = 0, turn = 0; at < file.length; turn++) {
    const buffer = (buffers[turn % 2] as Buffer).subarray(0, file.length - at)
    const read = await file.read(buffer, file.start + at)
    if (read === 0) throw new Error(TOO_SHORT)
    await sent
    guard(read)
    sent = write(response, buffer.subarray(0, read))
    // It is awaited with the next chunk; until then a failure must not count as unhandled.
    sent.catch(() => {})
    at += read
  }
  await sent
}

/**
 * Writes a chunk, and waits as long as a peer that is just fast enough needs for it. A connection that closes under a write may forget
 * it, so that is listened for as well.
 */
function write(response: ServerResponse, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause?: unknown) => reject(new PeerGoneError('the client broke off', { cause }))
    if (response.destroyed) return fail()
    const onClose = () => {
      clearTimeout(tooSlow)
      fail()
    }
    const tooSlow = setTimeout(() => response.destroy(), IDLE_MS + chunk.length / MIN_BYTES_PER_MS)
    response.once('close', onClose)
    response.write(chunk, (error) => {
      clearTimeout(tooSlow)
      response.off('close', onClose)
      if (error) fail(error)
      else resolve()
    })
  })
}

/** An answer before the end of its request. */
export interface EarlyAnswer {
  body: HttpBody | undefined
  /** Whether the client may be waiting rather than sending. */
  mayBeSilent: boolean
  zeroCopy: ZeroCopy | undefined
}

/**
 * Sends an answer to a client that is still sending its body, or that may begin to without waiting to be told: the answer first, then
 * what comes is thrown away for a bounded time, since closing at once would take the answer from it.
 */
export async function sendEarly(
  request: IncomingMessage,
  response: ServerResponse,
  { body, mayBeSilent, zeroCopy }: EarlyAnswer,
): Promise<void> {
  if (body === undefined) response.flushHeaders()
  else if (body.type === 'bytes') response.write(body.bytes)
  else return await sendBody(response, body, zeroCopy)
  await drain(request, mayBeSilent ? MAX_SILENCE_MS : MAX_DRAINED_MS)
  response.end()
}

function drain(request: IncomingMessage, maxSilence: number): Promise<void> {
  return new Promise((resolve) => {
    let drained = 0
    const done = () => {
      clearTimeout(silence)
      clearTimeout(whole)
      resolve()
    }
    const silence = setTimeout(done, maxSilence)
    const whole = setTimeout(done, MAX_DRAINED_MS)
    request.on('data', (chunk: Uint8Array) => {
      drained += chunk.length
      silence.refresh()
      if (drained > MAX_DRAINED_BYTES) done()
    })
    request.once('end', done).once('close', done).once('error', done).resume()
  })
}
