import { Socket } from 'node:net'
import { openSystemCalls } from '../system-calls.ts'
import { descriptorOf } from './socket-descriptor.ts'

/**
 * Makes a connection of this thread from one that another thread of this process has, which is to close its own then.
 *
 * @param descriptor of the other thread's connection, of which nothing may have been read
 * @returns undefined if the system has no descriptor left
 */
export type Adopt = (descriptor: number) => Socket | undefined

interface SystemCalls {
  dup(descriptor: number): number
}

/** Whether a connection came over a Unix socket. One that is gone counts as none, so that nobody trusts it for that. */
export function isUnixConnection(socket: Socket): boolean {
  return socket.localAddress === undefined && !socket.destroyed
}

/** The descriptor by which another thread can adopt a connection over a Unix socket; undefined for any other. */
export function adoptableDescriptor(socket: Socket): number | undefined {
  return isUnixConnection(socket) ? descriptorOf(socket) : undefined
}

/**
 * Opens the way by which threads adopt connections over Unix sockets: Node transfers TCP connections alone, but threads share their
 * descriptors, and a second one for the same connection makes them independent of each other.
 *
 * @returns undefined where this Node may not call the system
 */
export async function openAdoption(): Promise<Adopt | undefined> {
  const calls = await openSystemCalls<SystemCalls>({ dup: { arguments: ['int32'], return: 'int32' } })
  if (calls === undefined) return undefined
  return (descriptor) => {
    const own = calls.dup(descriptor)
    return own < 0 ? undefined : new Socket({ fd: own, allowHalfOpen: true })
  }
}
