import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { setImmediate } from 'node:timers'
import type { FileSlice } from '../registry/registry.ts'
import { openLinuxCalls } from '../system-calls.ts'
import { PeerGoneError } from './message.ts'
import { descriptorOf } from './socket-descriptor.ts'

/**
 * The result of one step: the number of bytes that were passed to the socket, or that it accepts none now, or that they must first be read
 * from the disk.
 */
export type StepResult = number | 'full' | 'cold'

/** Passes bytes of files to connections inside the kernel. */
export interface ZeroCopy {
  /** Whether a file can be sent to a response in this way now. */
  offers(response: ServerResponse, file: FileSlice): boolean
  /**
   * Passes up to the given number of bytes to the connection when it is this transfer's turn. No earlier writes may be pending.
   *
   * @throws PeerGoneError if the connection is gone
   */
  step(
    response: ServerResponse,
    file: FileSlice,
    part: { position: number; length: number },
  ): Promise<StepResult>
}

interface SystemCalls {
  addressOf(bytes: Buffer): bigint
  sendfile(to: number, from: number, position: Buffer, length: bigint): bigint
  preadv2(descriptor: number, vector: Buffer, count: number, position: bigint, flags: number): bigint
}

const RWF_NOWAIT = 8
const STEPS_OF_A_TURN = 4

/**
 * Opens the zero-copy path.
 *
 * @returns undefined if the platform has none that is known to be safe, or this Node may not call it
 */
export async function openZeroCopy(): Promise<ZeroCopy | undefined> {
  const calls = await systemCalls()
  if (calls === undefined) return undefined
  const turns = new StepTurns()
  const isCached = cacheProbe(calls)
  const offset = Buffer.alloc(8)
  return {
    offers: (response, file) =>
      file.descriptor !== undefined && plainDescriptorOf(response.socket) !== undefined,
    async step(response, file, { position, length }) {
      await turns.next()
      const socket = plainDescriptorOf(response.socket)
      if (socket === undefined) throw new PeerGoneError('the client closed the connection')
      const descriptor = file.descriptor as number
      if (!isCached(descriptor, position) || !isCached(descriptor, position + length - 1)) return 'cold'
      offset.writeBigInt64LE(BigInt(position))
      const sent = Number(calls.sendfile(socket, descriptor, offset, BigInt(length)))
      // The reason for the failure is not known here; writing to the socket reports it.
      return sent > 0 ? sent : 'full'
    },
  }
}

async function systemCalls(): Promise<SystemCalls | undefined> {
  const calls = await openLinuxCalls<Omit<SystemCalls, 'addressOf'>>({
    sendfile: { arguments: ['int32', 'int32', 'pointer', 'uint64'], return: 'int64' },
    preadv2: { arguments: ['int32', 'pointer', 'int32', 'int64', 'int32'], return: 'int64' },
  })
  if (calls === undefined) return undefined
  const { getRawPointer } = await import('node:ffi')
  return { ...calls, addressOf: (bytes) => BigInt(getRawPointer(bytes)) }
}

/** The socket under a connection; undefined if it is encrypted or gone. */
function plainDescriptorOf(socket: Socket | null): number | undefined {
  return socket === null || 'encrypted' in socket ? undefined : descriptorOf(socket)
}

/** Tests whether a byte of a file can be read without waiting for a disk, by a read that does not block. */
function cacheProbe({ preadv2, addressOf }: SystemCalls): (descriptor: number, position: number) => boolean {
  const byte = Buffer.allocUnsafeSlow(1)
  const vector = Buffer.allocUnsafeSlow(16)
  vector.writeBigUInt64LE(addressOf(byte), 0)
  vector.writeBigUInt64LE(BigInt(byte.length), 8)
  return (descriptor, position) =>
    // The buffer must outlive every call, which knows only its address.
    byte.length > 0 && preadv2(descriptor, vector, 1, BigInt(position), RWF_NOWAIT) === 1n
}

/** Runs a few steps in each turn of the event loop, first come first served, so that transfers don't keep other requests waiting. */
class StepTurns {
  readonly #waiting: (() => void)[] = []
  #left = STEPS_OF_A_TURN
  #scheduled = false

  next(): Promise<void> {
    if (!this.#scheduled) {
      this.#scheduled = true
      setImmediate(() => this.#turn())
    }
    if (this.#left === 0) return new Promise((resolve) => this.#waiting.push(resolve))
    this.#left--
    return Promise.resolve()
  }

  #turn(): void {
    this.#scheduled = false
    const admitted = this.#waiting.splice(0, STEPS_OF_A_TURN)
    this.#left = STEPS_OF_A_TURN - admitted.length
    if (this.#waiting.length > 0) {
      this.#scheduled = true
      setImmediate(() => this.#turn())
    }
    for (const go of admitted) go()
  }
}
