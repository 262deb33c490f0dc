import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import type { ConnectionTurns } from './connection-turns.ts'
import type { Refuse } from './refusal.ts'
import { hasBody } from './request-body.ts'

/** Node's server calls this for each request that its parser takes for an upgrade. Node's types do not have it yet. */
interface UpgradingServer {
  shouldUpgradeCallback(request: IncomingMessage): boolean
}

/**
 * Ignores `Upgrade`, since this registry speaks HTTP/1.1 only (RFC 9110, section 7.8). Node's parser stops at the end of such a request and
 * drops what followed it in the same packet, so that a body could be read as the next request. A request without a body is therefore parsed
 * again without the header, together with everything that follows it. One with a body is answered, and its connection ends there.
 *
 * @param event the event that the server emits for a connection that is ready for HTTP
 * @param refuse answers CONNECT, which no registry has
 */
export function ignoreUpgrades(
  server: Server,
  turns: ConnectionTurns,
  { event, refuse }: { event: 'connection' | 'secureConnection'; refuse: Refuse },
): void {
  const upgrading = server as unknown as UpgradingServer
  upgrading.shouldUpgradeCallback = (request) => {
    if (!hasBody(request)) return true
    turns.markLast(request)
    return false
  }
  server.on('connect', (_request, stream) => {
    const socket = stream as Socket
    void turns.idle(socket).then(() => refuse('METHOD_UNSUPPORTED', socket))
  })
  server.on('upgrade', (request, stream, rest) => {
    const socket = stream as Socket
    // Node has removed its own listener, and an error without a listener would end the process.
    const onError = () => socket.destroy()
    socket.on('error', onError)
    void turns.idle(socket).then(() => {
      if (socket.destroyed) return
      socket.unshift(Buffer.concat([headWithoutUpgrade(request), rest]))
      server.emit(event, socket)
      socket.off('error', onError)
    })
  })
}

function headWithoutUpgrade({ method, url, httpVersion, rawHeaders }: IncomingMessage): Buffer {
  const lines = [`${method} ${url} HTTP/${httpVersion}`]
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? ''
    if (name.toLowerCase() !== 'upgrade') lines.push(`${name}: ${rawHeaders[index + 1]}`)
  }
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
}
