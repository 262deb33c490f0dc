import assert from 'node:assert/strict'
import { subscribe } from 'node:diagnostics_channel'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TestContext } from 'node:test'
import { removePathPrefix } from '../../src/oci/path-prefix.ts'
import { misfitsOf, type SentAnswer } from './description.ts'

/** Bodies beyond this, which are content, are not kept. */
const MAX_BODY = 16 * 1024 * 1024

interface Exchange {
  request: IncomingMessage
  response: ServerResponse
}

/** What is held against the description: the answers at a port. */
interface Watched {
  misfits: string[]
  /** What stands before `/v2/` in paths, or a proxy may have removed. */
  prefix: string
}

/** What commands on the same machine ask for on the admin socket, which is no part of the API. */
const ADMINISTRATION = ['POST /collect', 'POST /pin']

const watchedByPort = new Map<number, Watched>()
let misfitsOfProgram: string[] | undefined

// Node tells of each response that its servers make, so the server needs nothing for this. What isn't HTTP gets none.
subscribe('http.server.response.created', (message) => {
  const { request, response } = message as Exchange
  const watched = watchedByPort.get(request.socket.localPort ?? 0)
  const misfits = watched?.misfits ?? misfitsOfProgram
  if (misfits === undefined || ADMINISTRATION.includes(`${request.method} ${request.url}`)) return
  const recorded = record(response)
  response.once('close', () => {
    if (!response.headersSent) return
    const { method = '', url = '', headers } = request
    const prefix = String(headers['x-forwarded-prefix'] ?? watched?.prefix ?? '')
    const target = removePathPrefix(url, prefix)
    misfits.push(...misfitsOf({ ...recorded(), method, target, accept: headers.accept }))
  })
})

/**
 * Holds each answer that a server of this process sends against the description, and fails the test if one differs.
 *
 * @param prefix what stands before `/v2/` in its paths
 */
export function watchAnswers(test: Pick<TestContext, 'after'>, url: string, prefix = ''): void {
  const misfits: string[] = []
  watchedByPort.set(Number(new URL(url).port), { misfits, prefix })
  // Registered when the test ends, so that it comes last: a hook that fails leaves those after it undone.
  test.after(() => test.after(() => assertFits(misfits)))
}

/** Holds each answer that any server of this process sends against the description. @returns what does not fit, as it comes */
export function watchProgram(): readonly string[] {
  misfitsOfProgram ??= []
  return misfitsOfProgram
}

/** Holds one answer that came without a port against the description. */
export async function assertDescribed(
  { method, url, headers: sent }: Request,
  answer: Response,
): Promise<void> {
  const { status, headers } = answer
  const body = new Uint8Array(await answer.arrayBuffer())
  const accept = sent.get('accept') ?? undefined
  assertFits(misfitsOf({ method, target: url, accept, status, headers: Object.fromEntries(headers), body }))
}

function assertFits(misfits: readonly string[]): void {
  assert.deepEqual([...new Set(misfits)], [], 'answers that docs/api/openapi.json does not describe')
}

/** Keeps what is written to a response. @returns what tells it once that is closed */
function record(response: ServerResponse): () => Omit<SentAnswer, 'method' | 'target'> {
  const headers: Record<string, string> = {}
  const chunks: Uint8Array[] = []
  const { writeHead, write, end } = response
  let size = 0
  const keep = (given: unknown, encoding: unknown) => {
    if (typeof given === 'function' || given === undefined) return
    const chunk = given instanceof Uint8Array ? given : Buffer.from(String(given), encoding as BufferEncoding)
    size += chunk.length
    if (size <= MAX_BODY) chunks.push(chunk)
    else chunks.length = 0
  }
  Object.assign(response, {
    writeHead(status: number, sent: Record<string, string> = {}) {
      for (const [name, value] of Object.entries(sent)) headers[name.toLowerCase()] = value
      return Reflect.apply(writeHead, response, [status, sent])
    },
    write(...parameters: unknown[]) {
      keep(parameters[0], parameters[1])
      return Reflect.apply(write, response, parameters)
    },
    end(...parameters: unknown[]) {
      keep(parameters[0], parameters[1])
      return Reflect.apply(end, response, parameters)
    },
  })
  const isWhole = () => response.writableFinished && size <= MAX_BODY
  const isStream = () => headers['content-type'] === 'text/event-stream'
  return () => ({
    status: response.statusCode,
    headers,
    body: isWhole() || isStream() ? Buffer.concat(chunks) : undefined,
  })
}
