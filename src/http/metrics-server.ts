import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AcceptedConnection, Listener } from './listener.ts'
import { createServer } from './node-http.ts'
import { metricsResponse } from './respond.ts'

/** How many connections there may be. The oldest ones make room. */
const MAX_CONNECTIONS = 32
const TIMEOUT_MS = 10_000

/** A server of metrics and nothing else. */
export interface MetricsServer {
  /** Stops listening, and ends all connections. */
  close(): void
}

/**
 * Answers `GET /metrics` on a listener of its own, over plain HTTP and without access control.
 *
 * @param read makes the text
 */
export function serveMetrics(listener: Listener, read: () => Promise<string>): MetricsServer {
  const server = createServer({ headersTimeout: TIMEOUT_MS, requestTimeout: TIMEOUT_MS })
  server.on('request', (request, response) => void answer(request, response, read))
  const connections = new Set<AcceptedConnection>()
  listener.deliverTo((connection) => {
    const [oldest] = connections
    if (connections.size >= MAX_CONNECTIONS) oldest?.destroy()
    connections.add(connection)
    connection.once('close', () => connections.delete(connection))
    server.emit('connection', connection)
    // The listener paused it.
    connection.resume()
  })
  return {
    close() {
      listener.close()
      for (const connection of connections) connection.destroy()
    },
  }
}

async function answer(
  { method, url = '' }: IncomingMessage,
  response: ServerResponse,
  read: () => Promise<string>,
): Promise<void> {
  const isRead = method === 'GET' || method === 'HEAD'
  if (url.split('?', 1)[0] !== '/metrics' || !isRead) return void response.writeHead(404).end()
  try {
    const { status, headers, body } = metricsResponse(await read())
    response
      .writeHead(status, headers)
      .end(method === 'GET' && body?.type === 'bytes' ? body.bytes : undefined)
  } catch {
    response.writeHead(503).end()
  }
}
