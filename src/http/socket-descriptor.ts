import type { Socket } from 'node:net'

/** The descriptor of a connection, also of one with TLS; undefined if it is gone. Node has no public API for it. */
export function descriptorOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as unknown as { _handle: { fd?: number } | null }
  const descriptor = handle?.fd
  return !socket.destroyed && descriptor !== undefined && descriptor >= 0 ? descriptor : undefined
}
