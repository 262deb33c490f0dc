import type { IncomingMessage, ServerOptions, ServerResponse } from 'node:http'
import { PROBES } from '../api/probes.ts'
import { RegistryError } from '../oci/error.ts'
import type { RequestObserver } from './answered-request.ts'
import type { AcceptedConnection } from './listener.ts'
import { LIVENESS_PATH } from './message.ts'
import type { TlsFiles } from './node.ts'
import { createServer, createTlsServer, isTlsServer } from './node-http.ts'
import { originOf } from './node-request.ts'
import type { OriginReader } from './request-origin.ts'
import { complete, emptyResponse, errorResponse } from './respond.ts'

/** How many connections beyond the limit each thread holds at a time. The oldest ones make room. */
export const MAX_EXCESS_CONNECTIONS = 32
const MAX_AGE_MS = 5_000

const OPTIONS: ServerOptions = {
  headersTimeout: MAX_AGE_MS,
  requestTimeout: MAX_AGE_MS,
  maxHeaderSize: 32 * 1024,
}

/** Answers connections beyond the limit: one request each, 200 for the liveness probe and 503 for everything else. */
export interface ExcessConnections {
  take(connection: AcceptedConnection): void
  /** Uses another certificate for new connections. */
  setTls(files: TlsFiles): void
}

/** Makes the server that answers connections beyond the limit. */
export function excessConnections(
  tls: TlsFiles | undefined,
  readOrigin: OriginReader,
  observer: RequestObserver,
): ExcessConnections {
  const server = tls === undefined ? createServer(OPTIONS) : createTlsServer({ ...OPTIONS, ...tls })
  server.on('request', (request, response) => refuse(request, response, { readOrigin, observer }))
  server.on('clientError', (_error, socket) => socket.destroy())
  const connections = new Set<AcceptedConnection>()
  return {
    take(connection) {
      const [oldest] = connections
      if (connections.size >= MAX_EXCESS_CONNECTIONS) oldest?.destroy()
      connections.add(connection)
      const tooOld = setTimeout(() => connection.destroy(), MAX_AGE_MS)
      connection.once('close', () => {
        clearTimeout(tooOld)
        connections.delete(connection)
      })
      server.emit('connection', connection)
      connection.resume()
    },
    setTls(files) {
      if (isTlsServer(server)) server.setSecureContext(files)
    },
  }
}

function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  { readOrigin, observer }: { readOrigin: OriginReader; observer: RequestObserver },
): void {
  // The body is read and discarded, since closing at once could take the answer from the client.
  request.resume()
  const arrived = performance.now()
  const { requestId, address } = originOf(request, readOrigin)
  const { method, url = '' } = request
  const isProbe = url === LIVENESS_PATH
  const answer = isProbe ? emptyResponse(200) : errorResponse(tooMany())
  const { status, headers, body, error } = complete(answer, method, requestId)
  const bytes = body?.type === 'bytes' ? body.bytes : new Uint8Array()
  response.writeHead(status, { ...headers, Connection: 'close' })
  response.end(bytes)
  response.once('close', () =>
    observer.observe({
      requestId,
      address,
      method,
      path: url.split('?', 1)[0],
      userAgent: request.headers['user-agent'],
      operation: isProbe ? PROBES[LIVENESS_PATH].GET.id : undefined,
      status,
      error: error?.id,
      received: 0,
      sent: bytes.length,
      milliseconds: performance.now() - arrived,
      isWhole: response.writableFinished,
    }),
  )
}

function tooMany(): RegistryError {
  const message = 'the registry has reached its limit of connections; try again later'
  return new RegistryError('UNAVAILABLE', { message })
}
