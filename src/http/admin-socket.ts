import { chmodSync, lstatSync, rmSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from './node-http.ts'
import { forOwner } from './unix-listener.ts'

/** A request to a running server from a command on this machine. */
export interface AdminRequest {
  /** The JSON of the body; undefined if there is none. */
  body: unknown
  /** Aborted when the caller has disconnected. */
  signal: AbortSignal
}

/**
 * Answers a request: with one value, which is sent as JSON, or with several, each of which is sent as a line of JSON as soon as it is
 * available.
 */
export type AdminHandler = (request: AdminRequest) => Promise<unknown> | AsyncIterable<unknown>

/** Handlers by method and path, such as `POST /collect`. */
export type AdminRoutes = Readonly<Record<string, AdminHandler>>

/** A request that cannot be carried out. The caller gets the reason. */
export class AdminError extends Error {
  override readonly name = 'AdminError'
}

/** An open admin socket. */
export interface AdminSocket {
  /** Stops accepting requests, and ends those that are in progress. */
  close(): Promise<void>
}

const MAX_BODY = 64 * 1024
const OWNER_MODE = 0o600

/**
 * Listens on a Unix socket for commands such as `stowage collect`, to which only the user of the server may connect. A socket that a dead
 * server left there is replaced, so the caller must make sure that no other server is using it.
 *
 * @param path at most 107 bytes, the limit of the system's address of a Unix socket
 * @param onProblem called for failures that are not the caller's fault
 * @throws the error of listening, such as EADDRINUSE if there is a file that is not a socket
 */
export async function openAdminSocket(
  path: string,
  routes: AdminRoutes,
  onProblem: (error: unknown) => void,
): Promise<AdminSocket> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket()) rmSync(path)
  const server = createServer((request, response) => {
    answer(routes, request, response).catch((error: unknown) => {
      if (!(error instanceof AdminError)) onProblem(error)
      refuse(response, error)
    })
  })
  forOwner(() => server.listen(path))
  await new Promise<void>((resolve, reject) => server.once('listening', resolve).once('error', reject))
  chmodSync(path, OWNER_MODE)
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function answer(
  routes: AdminRoutes,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const route = `${request.method} ${request.url}`
  const handler = Object.hasOwn(routes, route) ? routes[route] : undefined
  if (handler === undefined)
    throw new AdminError(`this server does not support ${route}; it may be a different version`)
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const answered = handler({ body: await readJson(request), signal: gone.signal })
  if (!(Symbol.asyncIterator in answered)) return void response.end(lineOf(await answered))
  response.flushHeaders()
  for await (const value of answered) response.write(lineOf(value))
  response.end()
}

function lineOf(value: unknown): string {
  return `${JSON.stringify(value ?? null)}\n`
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_BODY) throw new AdminError(`the request body is larger than ${MAX_BODY} bytes`)
    chunks.push(chunk)
  }
  if (size === 0) return undefined
  try {
    return JSON.parse(Buffer.concat(chunks).toString())
  } catch (cause) {
    throw new AdminError('the body of the request is not JSON', { cause })
  }
}

function refuse(response: ServerResponse, error: unknown): void {
  if (response.headersSent) return void response.destroy()
  response.statusCode = error instanceof AdminError ? 400 : 500
  const message =
    error instanceof AdminError ? error.message : 'the command failed on the server; its log has the cause'
  response.end(lineOf({ error: message }))
}
