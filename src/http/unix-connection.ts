import { Socket } from 'node:net'
import { openSystemCalls } from '../system-calls.ts'
import { descriptorOf } from './socket-descriptor.ts'

/**
 * Makes a connection of this thread from one of another thread of this process. The other thread must then close its own.
 *
 * @param descriptor of the other thread's connection, from which nothing may have been read
 * @returns undefined if the system has no descriptor left
 */
export type Adopt = (descriptor: number) => Socket | undefined

interface SystemCalls {
  dup(descriptor: number): number
}

/** Whether a connection came over a Unix socket. False for a connection that is gone, so that it is not trusted for that reason. */
export function isUnixConnection(socket: Socket): boolean {
  return socket.localAddress === undefined && !socket.destroyed
}

/** The descriptor by which another thread can adopt a connection over a Unix socket; undefined for any other. */
export function adoptableDescriptor(socket: Socket): number | undefined {
  return isUnixConnection(socket) ? descriptorOf(socket) : undefined
}

/**
 * Opens the mechanism by which threads adopt connections over Unix sockets. Node transfers only TCP connections, but threads share their
 * descriptors. A duplicate descriptor of the connection makes the threads independent of each other.
 *
 * @returns undefined if this Node may not call the system
 */
export async function openAdoption(): Promise<Adopt | undefined> {
  const calls = await openSystemCalls<SystemCalls>({ dup: { arguments: ['int32'], return: 'int32' } })
  if (calls === undefined) return undefined
  return (descriptor) => {
    const own = calls.dup(descriptor)
    return own < 0 ? undefined : new Socket({ fd: own, allowHalfOpen: true })
  }
}
