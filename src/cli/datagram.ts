import { openLinuxCalls } from '../system-calls.ts'

/** Sends a datagram without waiting. @returns whether the receiver has it now */
export type SendDatagram = (text: string) => boolean

interface SystemCalls {
  socket(domain: number, type: number, protocol: number): number
  sendto(
    socket: number,
    bytes: Buffer,
    length: bigint,
    flags: number,
    address: Buffer,
    addressLength: number,
  ): bigint
  close(descriptor: number): number
}

const SIGNATURES = {
  socket: { arguments: ['int32', 'int32', 'int32'], return: 'int32' },
  sendto: { arguments: ['int32', 'pointer', 'uint64', 'int32', 'pointer', 'uint32'], return: 'int64' },
  close: { arguments: ['int32'], return: 'int32' },
} as const
const AF_UNIX = 1
const SOCK_DGRAM = 2
const SOCK_CLOEXEC = 0o2000000
const MSG_DONTWAIT = 0x40
const MSG_NOSIGNAL = 0x4000
const MAX_PATH = 107

/**
 * Opens a sender to a Unix datagram socket, for which Node has no API.
 *
 * @param address an absolute path, or a name in the abstract namespace with `@` before it
 * @returns undefined if the address is of another kind, or this Node may not call the system
 */
export async function openDatagrams(address: string): Promise<SendDatagram | undefined> {
  const isKnown = /^[/@]./s.test(address) && Buffer.byteLength(address) <= MAX_PATH
  const calls = isKnown ? await openLinuxCalls<SystemCalls>(SIGNATURES) : undefined
  if (calls === undefined) return undefined
  const receiver = systemAddress(address)
  return (text) => {
    const socket = calls.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)
    if (socket < 0) return false
    const bytes = Buffer.from(text)
    const flags = MSG_DONTWAIT | MSG_NOSIGNAL
    const sent = calls.sendto(socket, bytes, BigInt(bytes.length), flags, receiver, receiver.length)
    calls.close(socket)
    return sent === BigInt(bytes.length)
  }
}

/** `struct sockaddr_un` of Linux: the family in two bytes, and the path, or a zero and the name. */
function systemAddress(address: string): Buffer {
  const family = Buffer.alloc(2)
  family.writeUInt16LE(AF_UNIX)
  return Buffer.concat([family, Buffer.from(address.replace(/^@/, '\0'))])
}
