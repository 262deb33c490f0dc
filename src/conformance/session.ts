import { type Credentials, type Get, openAuthorization } from './authorization.ts'
import { type CheckDestination, openDestinations, type Purpose } from './destination.ts'
import { isCredential, type ProbeAnswer, type ProbeRequest } from './exchange.ts'
import { Undecided } from './outcome.ts'
import type { Send } from './probe.ts'
import { problemOf } from './problem.ts'
import { type Fetch, platformFetch } from './transport.ts'

const MAX_BODY = 32 * 1024 * 1024
const FIRST_BUFFER = 16 * 1024
const MAX_TOKEN_BODY = 1024 * 1024
const MAX_REDIRECTS = 5
const TIMEOUT = 60_000

/** What a session may be given. */
export interface SessionOptions {
  credentials?: Credentials
  /** Longest time of one request with its answer, in milliseconds. */
  timeout?: number
  /** Hosts beside the registry's own that requests may go to. See openDestinations. */
  allowedHosts?: readonly string[]
  fetch?: Fetch
  /** Told of all that must never be shown: the password, tokens. */
  onSecret?(secret: string): void
  /** Told of each token endpoint of another origin that is asked: scheme, host and port. */
  onTokenEndpoint?(origin: string): void
}

/**
 * Sends requests to one registry and meets its challenges. Redirects are followed, as the specification lets a registry answer with
 * them; where each request may go is for openDestinations to say, and what lets us in never goes to another origin. A request that
 * changes nothing and has no answer is sent once more, on a fresh connection. Rejects with Undecided, and one line, if there is no whole
 * answer.
 */
export function openSession(origin: string, options: SessionOptions = {}): Send {
  const { timeout = TIMEOUT, fetch = platformFetch, allowedHosts, onTokenEndpoint } = options
  const check = openDestinations(origin, allowedHosts)
  const get: Get = (url, authorization) => {
    const endpoint = new URL(url).origin
    const purposeAt = (at: URL): Purpose => (at.origin === endpoint ? 'token' : 'api')
    check(new URL(url), 'token')
    if (endpoint !== origin) onTokenEndpoint?.(endpoint)
    const line = { url, authorization, timeout, maxBody: MAX_TOKEN_BODY, fetch, check, purposeAt }
    return exchange({ method: 'GET', target: url }, line)
  }
  const authorization = openAuthorization(origin, get, options)
  const once = (request: ProbeRequest, header: string | undefined) => {
    const url = urlOf(request.target, origin)
    const line = { url, timeout, maxBody: MAX_BODY, fetch, check, purposeAt: (): Purpose => 'api' }
    const isHome = new URL(url).origin === origin
    return exchange(isHome ? request : withoutCredentials(request), {
      ...line,
      authorization: isHome ? header : undefined,
    })
  }
  return async (request) => {
    try {
      if (new Headers(request.headers).has('authorization')) return await once(request, undefined)
      const kind = kindOf(request)
      const answer = await once(request, await authorization.known(kind))
      const challenge = answer.headers.get('www-authenticate')
      if (answer.status !== 401 || challenge === null || answer.origin !== origin) return answer
      const header = await authorization.meet(kind, challenge)
      return header === undefined ? answer : await once(request, header)
    } catch (error) {
      throw error instanceof Undecided ? error : new Undecided(problemOf(error), { cause: error })
    }
  }
}

/** The URL of a target as it is sent: without dot segments, and with all that a URL can't hold encoded. */
export function urlOf(target: string, origin: string): string {
  return new URL(target.startsWith('/') ? origin + target : target, origin).href
}

function withoutCredentials({ headers = {}, ...request }: ProbeRequest): ProbeRequest {
  const kept = Object.entries(headers).filter(([name]) => !isCredential(name))
  return { ...request, headers: Object.fromEntries(kept) }
}

/** Requests of one kind are let in by the same token: what is done, and in which repository. */
function kindOf({ method, target }: ProbeRequest): string {
  const path = target.split('?', 1)[0] ?? ''
  const repository = path.replace(/\/(?:blobs|manifests|tags|referrers)(?:\/.*)?$/, '')
  const right = method === 'GET' || method === 'HEAD' ? 'pull' : method === 'DELETE' ? 'delete' : 'push'
  return `${right} ${repository} ${new URLSearchParams(target.split('?')[1]).get('from') ?? ''}`
}

interface Line {
  url: string
  authorization: string | undefined
  timeout: number
  maxBody: number
  fetch: Fetch
  check: CheckDestination
  purposeAt(url: URL): Purpose
}

/** One request and those that its redirects ask for. */
async function exchange(request: ProbeRequest, line: Line): Promise<ProbeAnswer & { origin: string }> {
  const signal = AbortSignal.timeout(line.timeout)
  const home = new URL(line.url).origin
  const headers = new Headers(request.headers)
  // Without it fetch would ask for packed answers and unpack them: their bytes are what is tested.
  if (!headers.has('accept-encoding')) headers.set('accept-encoding', 'identity')
  if (line.authorization !== undefined) headers.set('authorization', line.authorization)
  let { method, body } = request
  let at = new URL(line.url)
  for (let count = 0; ; count++) {
    const { answer, next } = await hop({ ...request, method, headers, body, at, signal }, line)
    if (next === undefined) {
      const isAuthorized = headers.has('authorization')
      const redirected = count > 0 && { redirected: { method, url: at.href } }
      return { ...answer, ...redirected, isAuthorized, origin: at.origin }
    }
    if (count === MAX_REDIRECTS) throw new AnswerError(`more than ${MAX_REDIRECTS} redirects`)
    if (next.origin !== home)
      for (const name of [...headers.keys()]) if (isCredential(name)) headers.delete(name)
    if (answer.status === 303 || (answer.status < 303 && method === 'POST')) {
      method = method === 'HEAD' ? 'HEAD' : 'GET'
      body = undefined
      for (const name of ['content-type', 'content-length', 'content-range']) headers.delete(name)
    }
    at = next
  }
}

interface Hop {
  method: string
  headers: Headers
  body: Uint8Array | undefined
  streamed?: boolean
  until?: string
  at: URL
  signal: AbortSignal
}

/** Sends one request to where it may go; again on a fresh connection if there was no answer and that changes nothing. */
async function hop(request: Hop, line: Line): Promise<{ answer: ProbeAnswer; next: URL | undefined }> {
  const isHome = line.check(request.at, line.purposeAt(request.at))
  try {
    return await attempt(request, line, { isHome, isFresh: false })
  } catch (error) {
    const isSafe = request.method === 'GET' || request.method === 'HEAD'
    if (!isSafe || request.signal.aborted || error instanceof AnswerError) throw error
    return await attempt(request, line, { isHome, isFresh: true })
  }
}

async function attempt(
  { method, headers, body, streamed, until, at, signal }: Hop,
  { fetch, maxBody }: Line,
  route: { isHome: boolean; isFresh: boolean },
): Promise<{ answer: ProbeAnswer; next: URL | undefined }> {
  const sent = body && (streamed === true ? streamOf(body) : (body as Uint8Array<ArrayBuffer>))
  const init = { method, headers, ...(sent && { body: sent, duplex: 'half' as const }), signal }
  const response = await fetch(at.href, { ...init, redirect: 'manual' }, route)
  const { status } = response
  const next = redirectOf(response, at.href)
  if (next !== undefined) await response.body?.cancel()
  const content = next === undefined ? await readBody(response, maxBody, until) : new Uint8Array()
  return { answer: { status, headers: response.headers, body: content }, next }
}

/** There was an answer, and it can't be taken as one. */
class AnswerError extends Error {
  override readonly name = 'AnswerError'
}

function redirectOf({ status, headers }: Response, at: string): URL | undefined {
  const location = headers.get('location')
  if (![301, 302, 303, 307, 308].includes(status) || location === null) return undefined
  const url = URL.parse(location, at)
  if (url === null || !['http:', 'https:'].includes(url.protocol))
    throw new AnswerError('a redirect to something other than an http or https URL')
  url.username = ''
  url.password = ''
  return url
}

function streamOf(body: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(body)
      controller.close()
    },
  })
}

/** Reads an answer into one buffer: a registry may send its bytes one by one, and keeping each piece would cost a hundred times as much. */
async function readBody(response: Response, maxBody: number, until?: string): Promise<Uint8Array> {
  let bytes = new Uint8Array(FIRST_BUFFER)
  const decoder = new TextDecoder()
  let size = 0
  let tail = ''
  for await (const chunk of response.body ?? []) {
    if (size + chunk.length > maxBody)
      throw new AnswerError(`the response is larger than ${maxBody / 1024 / 1024} MiB`)
    if (size + chunk.length > bytes.length) {
      const larger = new Uint8Array(Math.min(maxBody, Math.max(2 * bytes.length, size + chunk.length)))
      larger.set(bytes.subarray(0, size))
      bytes = larger
    }
    bytes.set(chunk, size)
    size += chunk.length
    if (until === undefined) continue
    tail += decoder.decode(chunk, { stream: true })
    if (tail.includes(until)) break
    tail = tail.slice(1 - until.length)
  }
  return bytes.slice(0, size)
}
