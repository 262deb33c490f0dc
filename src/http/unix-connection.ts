import { Socket } from 'node:net'

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

/** The descriptor by which another thread can adopt a connection over a Unix socket; undefined for any other. Node has no public name for it. */
export function adoptableDescriptor(socket: Socket): number | undefined {
  if (!isUnixConnection(socket)) return undefined
  const { _handle: handle } = socket as unknown as { _handle: { fd?: number } | null }
  return handle?.fd !== undefined && handle.fd >= 0 ? handle.fd : undefined
}

/**
 * Opens the way by which threads adopt connections over Unix sockets: Node transfers TCP connections alone, but threads share their
 * descriptors, and a second one for the same connection makes them independent of each other.
 *
 * @returns undefined where this Node may not call the system
 */
export async function openAdoption(): Promise<Adopt | undefined> {
  const calls = await systemCalls()
  if (calls === undefined) return undefined
  return (descriptor) => {
    const own = calls.dup(descriptor)
    return own < 0 ? undefined : new Socket({ fd: own, allowHalfOpen: true })
  }
}

async function systemCalls(): Promise<SystemCalls | undefined> {
  try {
    const { dlopen } = await import('node:ffi')
    const { functions } = dlopen(null, { dup: { arguments: ['int32'], return: 'int32' } })
    return functions as unknown as SystemCalls
  } catch {
    // Node can be built or started without it.
    return undefined
  }
}
