import { type IncomingMessage, request } from 'node:http'
import { createInterface } from 'node:readline'
import { UsageError } from './usage-error.ts'

/** No server listens on the socket. */
export class NoServerError extends UsageError {}

/** A request to a running server. */
export interface AdminQuestion {
  /** Method and path, such as `POST /collect`. */
  route: string
  /** Sent as JSON. */
  body?: unknown
  /** Ends the request. */
  signal?: AbortSignal
}

/**
 * Sends a request to a running server.
 *
 * @param socket the path of its admin socket
 * @returns the values of the answer, as they arrive; usually one
 * @throws NoServerError if none is running, UsageError with the server's message if it refuses, or if another program answers
 */
export async function* askServer(socket: string, question: AdminQuestion): AsyncGenerator<unknown> {
  const answer = await send(socket, question)
  try {
    for await (const line of createInterface({ input: answer })) {
      const value = parseLine(line)
      if (value === undefined)
        throw new UsageError(`the program that listens on ${socket} is not a Stowage server`)
      if (answer.statusCode !== 200) throw new UsageError(refusalIn(value))
      yield value
    }
  } finally {
    answer.destroy()
  }
}

/** @returns undefined if the line is not JSON */
function parseLine(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

function refusalIn(value: unknown): string {
  const { error } = Object(value) as { error?: unknown }
  return typeof error === 'string' ? error : 'the server refused the request without a reason'
}

function send(socketPath: string, { route, body, signal }: AdminQuestion): Promise<IncomingMessage> {
  const [method = '', path = ''] = route.split(' ')
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, method, path, ...(signal && { signal }) }, resolve)
    // This may also happen after the answer has begun. Its reader then sees the end of the answer.
    sent.on('error', (error: NodeJS.ErrnoException) => {
      reject(problemOf(error, socketPath))
    })
    sent.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

function problemOf(error: NodeJS.ErrnoException, socket: string): Error {
  if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED')
    return new NoServerError(`no server is listening on ${socket}; is it running with this data folder?`)
  if (error.code === 'EACCES' || error.code === 'EPERM')
    return new UsageError(`only the user that runs the server can use ${socket}`)
  return error
}
