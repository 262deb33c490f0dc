import type { Socket } from 'node:net'
import { openLinuxCalls } from '../system-calls.ts'
import { descriptorOf } from './socket-descriptor.ts'

/** How much of the sent data the peer of a connection has received. */
export interface Acknowledgement {
  /** Bytes that it has acknowledged since the connection began; with TLS, bytes of TLS records. */
  bytes: number
  /** Whether the system still holds bytes that the peer has not acknowledged. */
  isBehind: boolean
}

/** Asks the system what the peer of a connection has acknowledged; undefined if that is not known or the connection is gone. */
export type AcknowledgementReader = (socket: Socket) => Acknowledgement | undefined

interface SystemCalls {
  getsockopt(socket: number, level: number, option: number, value: Buffer, length: Buffer): number
}

const IPPROTO_TCP = 6
const TCP_INFO = 11
/** The offsets of the fields in `struct tcp_info` of Linux, which only ever grows at its end. */
const UNACKNOWLEDGED_PACKETS = 24
const BYTES_ACKNOWLEDGED = 120
const BYTES_NOT_SENT = 144
const NEEDED_LENGTH = 148

/** Opens access to the system's statistics of connections. @returns undefined if the system has none, or this Node may not read them */
export async function openAcknowledgements(): Promise<AcknowledgementReader | undefined> {
  const calls = await openLinuxCalls<SystemCalls>({
    getsockopt: { arguments: ['int32', 'int32', 'int32', 'pointer', 'pointer'], return: 'int32' },
  })
  if (calls === undefined) return undefined
  const info = Buffer.alloc(NEEDED_LENGTH)
  const length = Buffer.alloc(4)
  return (socket) => {
    const descriptor = descriptorOf(socket)
    if (descriptor === undefined) return undefined
    length.writeUInt32LE(info.length)
    if (calls.getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, info, length) !== 0) return undefined
    if (length.readUInt32LE() < NEEDED_LENGTH) return undefined
    return {
      bytes: Number(info.readBigUInt64LE(BYTES_ACKNOWLEDGED)),
      isBehind: info.readUInt32LE(UNACKNOWLEDGED_PACKETS) > 0 || info.readUInt32LE(BYTES_NOT_SENT) > 0,
    }
  }
}
