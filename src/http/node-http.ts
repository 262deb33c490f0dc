import type { Server } from 'node:http'
import type { Server as TlsServer, ServerOptions as TlsServerOptions } from 'node:https'

/**
 * Parts of Node's `node:http`. An import of that module would read all of its exports, and so load what `WebSocket` and `fetch` consist of:
 * 35 ms and 16 MiB in each thread.
 */
export const { createServer, STATUS_CODES } = process.getBuiltinModule('node:http')

/** Makes a server for HTTPS. Only this loads `node:https`: without a certificate, no thread needs its 7 MiB. */
export function createTlsServer(options: TlsServerOptions): TlsServer {
  return process.getBuiltinModule('node:https').createServer(options)
}

/** Whether a server is one for HTTPS. */
export function isTlsServer(server: Server | TlsServer): server is TlsServer {
  return 'setSecureContext' in server
}
