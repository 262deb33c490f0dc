import { chmodSync, lstatSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { forOwner } from './unix-listener.ts'

/** A request of a command on this machine that speaks to a running server. */
export interface AdminRequest {
  /** The JSON of the body; undefined if there is none. */
  body: unknown
  /** Aborted when the caller is gone. */
  signal: AbortSignal
}

/** What answers a request: a value that is sent as JSON, or several, each sent as a line of JSON when it comes. */
export type AdminHandler = (request: AdminRequest) => Promise<unknown> | AsyncIterable<unknown>

/** Handlers by method and path, such as `POST /collect`. */
export type AdminRoutes = Readonly<Record<string, AdminHandler>>

/** A request that cannot be done as it is; the caller is told why. */
export class AdminError extends Error {
  override readonly name = 'AdminError'
}

/** An open admin socket. */
export interface AdminSocket {
  /** Takes no more requests, and ends those that are under way. */
  close(): Promise<void>
}

const MAX_BODY = 64 * 1024
const OWNER_MODE = 0o600

/**
 * Listens on a Unix socket for commands such as `stowage collect`, which only the user of the server may connect to. A socket that a dead
 * server left there is replaced, so the caller must know that no other server has it.
 *
 * @param path at most 107 bytes, which is what the system's address of a Unix socket has room for
 * @param onProblem is told of failures that are not the caller's
 * @throws the error of listening, such as EADDRINUSE if a file that is not a socket lies there
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
