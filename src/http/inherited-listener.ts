import { readFileSync, readlinkSync } from 'node:fs'
import type { Server } from 'node:net'
import { Delivery, type Listener, listenerOf, startListening } from './listener.ts'

/** A descriptor that was passed to this process cannot be listened on; the message gives the reason in one line. */
export class InheritedSocketError extends Error {
  override readonly name = 'InheritedSocketError'
}

/**
 * Accepts connections on TCP and Unix sockets that the parent process has bound and passed to this process. When the listener closes, the
 * sockets and the files of Unix sockets remain with their owner.
 *
 * @throws InheritedSocketError if one of them is not a listening socket of these kinds
 */
export async function openInheritedListener(descriptors: readonly number[]): Promise<Listener> {
  const delivery = new Delivery()
  const servers: Server[] = []
  const files: string[] = []
  for (const fd of descriptors) {
    // This is checked first, since Node closes a socket that it refuses.
    const file = socketFileOf(fd)
    try {
      const server = await startListening({ fd }, delivery)
      servers.push(server)
      if (typeof server.address() !== 'object' || server.address() === null) files.push(file)
    } catch (cause) {
      for (const server of servers) server.close()
      const message = `descriptor ${fd}, which was passed to this process, is not a socket that accepts connections`
      throw new InheritedSocketError(message, { cause })
    }
  }
  return listenerOf(servers, delivery, files)
}

/** The path of a Unix socket, or a placeholder if the system does not report it: Node has no API for it. */
function socketFileOf(descriptor: number): string {
  try {
    const [, inode] = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${descriptor}`)) ?? []
    const lines = readFileSync('/proc/self/net/unix', 'utf8').split('\n')
    const fields = lines.map((line) => line.trim().split(/\s+/)).find((words) => words[6] === inode)
    return fields?.[7] ?? 'inherited'
  } catch {
    // Only Linux has it.
    return 'inherited'
  }
}
