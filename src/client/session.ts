import { type Credentials, type Get, openAuthorization } from './authorization.ts'
import { readBody } from './body.ts'
import { type CheckDestination, openDestinations, type Purpose } from './destination.ts'
import { ClientError, InvalidResponseError } from './error.ts'
import { type Fetch, platformFetch } from './transport.ts'

const MAX_TOKEN_BODY = 1024 * 1024
const MAX_CHALLENGE_BODY = 1024 * 1024
const MAX_REDIRECTS = 5
const TIMEOUT = 60_000
const CREDENTIAL_HEADERS = ['authorization', 'proxy-authorization', 'cookie', 'set-cookie']

/** The options of a session. */
export interface SessionOptions {
  credentials?: Credentials
  /** Longest time of one request until its response is read, in milliseconds; a minute if absent. */
  timeout?: number
  /** Hosts to which requests may go, in addition to the registry's own. See openDestinations. */
  allowedHosts?: readonly string[]
  fetch?: Fetch
  /** Called with every secret that must never be shown: the password, tokens. */
  onSecret?(secret: string): void
  /** Called with each token endpoint of another origin before it is asked: scheme, host and port. */
  onTokenEndpoint?(origin: string): void
}

/** A request to the registry, or to a URL that the registry named. */
export interface SessionRequest {
  method: string
  /** Path and query, or an absolute URL as the registry returned it. */
  target: string
  headers?: Readonly<Record<string, string>>
  body?: Uint8Array
  /** Sends the body with `Transfer-Encoding: chunked` and no length. */
  streamed?: boolean
  signal?: AbortSignal
}

/** The outcome of a request. */
export interface Received<T> {
  status: number
  headers: Headers
  /** The result of reading the body. */
  body: T
  /** The URL that responded, after all redirects. */
  url: string
  /** The last request after all redirects. */
  redirected?: { method: string; url: string }
  /** Whether a password or token was sent with it. */
  isAuthorized: boolean
}

/**
 * Sends one request and reads its response.
 *
 * @param read reads a final response within the time limit; it is called again if the connection broke and the request is repeated
 */
export type SendInSession = <T>(
  request: SessionRequest,
  read: (response: Response) => Promise<T>,
) => Promise<Received<T>>

/**
 * Sends requests to one registry and answers its challenges. It follows redirects, which the specification allows. openDestinations decides
 * where each request may go, and credentials never go to another origin. If a request that changes nothing gets no response, it is sent
 * once more on a new connection.
 *
 * Rejects with ClientError if a response is not acceptable, and with the error of fetch if there is none.
 *
 * @param origin scheme, host and port
 */
export function openSession(origin: string, options: SessionOptions = {}): SendInSession {
  const { timeout = TIMEOUT, fetch = platformFetch, allowedHosts, onTokenEndpoint } = options
  const check = openDestinations(origin, allowedHosts)
  const get: Get = async (url, authorization) => {
    const endpoint = new URL(url).origin
    const purposeAt = (at: URL): Purpose => (at.origin === endpoint ? 'token' : 'api')
    check(new URL(url), 'token')
    if (endpoint !== origin) onTokenEndpoint?.(endpoint)
    return await exchange(
      { method: 'GET', target: url },
      { url, authorization, timeout, fetch, check, purposeAt },
      (response) => readBody(response, MAX_TOKEN_BODY),
    )
  }
  const authorization = openAuthorization(origin, get, options)
  const once = async <T>(
    request: SessionRequest,
    header: string | undefined,
    read: (response: Response, at: URL) => Promise<T>,
  ) => {
    const url = urlOf(request.target, origin)
    const isHome = new URL(url).origin === origin
    const line = { url, timeout, fetch, check, purposeAt: (): Purpose => 'api' }
    return await exchange(
      isHome ? request : withoutCredentials(request),
      { ...line, authorization: isHome ? header : undefined },
      read,
    )
  }
  return async (request, read) => {
    if (new Headers(request.headers).has('authorization')) return await once(request, undefined, read)
    const kind = kindOf(request)
    const first = await once(request, await authorization.known(kind), async (response, at) => {
      const challenge = response.headers.get('www-authenticate')
      if (response.status !== 401 || challenge === null || at.origin !== origin)
        return { content: await read(response) }
      return { challenge, refusal: await readBody(response, MAX_CHALLENGE_BODY) }
    })
    if (first.body.challenge === undefined) return { ...first, body: first.body.content }
    const header = await authorization.meet(kind, first.body.challenge)
    if (header !== undefined) return await once(request, header, read)
    const { status, headers } = first
    return { ...first, body: await read(new Response(first.body.refusal, { status, headers })) }
  }
}

/** The URL of a target as it is sent: without dot segments, and with all characters encoded that a URL can't contain. */
export function urlOf(target: string, origin: string): string {
  return new URL(target.startsWith('/') ? origin + target : target, origin).href
}

/** Whether a header of this name contains credentials. */
export function isCredential(name: string): boolean {
  return CREDENTIAL_HEADERS.includes(name.toLowerCase())
}

function withoutCredentials({ headers = {}, ...request }: SessionRequest): SessionRequest {
  const kept = Object.entries(headers).filter(([name]) => !isCredential(name))
  return { ...request, headers: Object.fromEntries(kept) }
}

/** The kind of a request: its action and its repository. Requests of one kind can use the same token. */
function kindOf({ method, target }: SessionRequest): string {
  const path = target.split('?', 1)[0] ?? ''
  const repository = path.replace(/\/(?:blobs|manifests|tags|referrers)(?:\/.*)?$/, '')
  const right = method === 'GET' || method === 'HEAD' ? 'pull' : method === 'DELETE' ? 'delete' : 'push'
  return `${right} ${repository} ${new URLSearchParams(target.split('?')[1]).get('from') ?? ''}`
}

interface Line {
  url: string
  authorization: string | undefined
  timeout: number
  fetch: Fetch
  check: CheckDestination
  purposeAt(url: URL): Purpose
}

type Read<T> = (response: Response, at: URL) => Promise<T>

/** Sends one request and follows its redirects. */
async function exchange<T>(request: SessionRequest, line: Line, read: Read<T>): Promise<Received<T>> {
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(new DOMException('timed out', 'TimeoutError')), line.timeout)
  const signal = request.signal === undefined ? late.signal : AbortSignal.any([late.signal, request.signal])
  try {
    return await followed({ ...request, signal }, line, read)
  } finally {
    clearTimeout(timer)
  }
}

async function followed<T>(
  request: SessionRequest & { signal: AbortSignal },
  line: Line,
  read: Read<T>,
): Promise<Received<T>> {
  const home = new URL(line.url).origin
  const headers = new Headers(request.headers)
  // Without it, fetch would accept compressed answers and decompress them. Digests are those of the bytes as they are sent.
  if (!headers.has('accept-encoding')) headers.set('accept-encoding', 'identity')
  if (line.authorization !== undefined) headers.set('authorization', line.authorization)
  let { method, body } = request
  let at = new URL(line.url)
  for (let count = 0; ; count++) {
    const outcome = await hop({ ...request, method, headers, body, at }, line, read)
    if ('body' in outcome) {
      const redirected = count > 0 && { redirected: { method, url: at.href } }
      return { ...outcome, ...redirected, url: at.href, isAuthorized: headers.has('authorization') }
    }
    if (count === MAX_REDIRECTS) throw new InvalidResponseError(`more than ${MAX_REDIRECTS} redirects`)
    const { next, status } = outcome
    if (next.origin !== home)
      for (const name of [...headers.keys()]) if (isCredential(name)) headers.delete(name)
    if (status === 303 || (status < 303 && method === 'POST')) {
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
  at: URL
  signal: AbortSignal
}

type Outcome<T> = { status: number; headers: Headers; body: T } | { status: number; next: URL }

/** Sends one request if its destination is allowed. Sends it again on a new connection if there was no answer and the request changes nothing. */
async function hop<T>(request: Hop, line: Line, read: Read<T>): Promise<Outcome<T>> {
  const isHome = line.check(request.at, line.purposeAt(request.at))
  try {
    return await attempt(request, line.fetch, { read, isHome, isFresh: false })
  } catch (error) {
    const isSafe = request.method === 'GET' || request.method === 'HEAD'
    if (!isSafe || request.signal.aborted || error instanceof ClientError) throw error
    return await attempt(request, line.fetch, { read, isHome, isFresh: true })
  }
}

async function attempt<T>(
  { method, headers, body, streamed, at, signal }: Hop,
  fetch: Fetch,
  { read, ...route }: { read: Read<T>; isHome: boolean; isFresh: boolean },
): Promise<Outcome<T>> {
  const sent = body && (streamed === true ? streamOf(body) : (body as Uint8Array<ArrayBuffer>))
  const init = { method, headers, ...(sent && { body: sent, duplex: 'half' as const }), signal }
  const response = await fetch(at.href, { ...init, redirect: 'manual' }, route)
  if (response.type === 'opaqueredirect')
    throw new InvalidResponseError('a redirect, which browsers do not let be checked before it is followed')
  const { status } = response
  const next = redirectOf(response, at.href)
  if (next === undefined) return { status, headers: response.headers, body: await read(response, at) }
  await response.body?.cancel()
  return { status, next }
}

function redirectOf({ status, headers }: Response, at: string): URL | undefined {
  const location = headers.get('location')
  if (![301, 302, 303, 307, 308].includes(status) || location === null) return undefined
  const url = URL.parse(location, at)
  if (url === null || !['http:', 'https:'].includes(url.protocol))
    throw new InvalidResponseError('a redirect to something other than an http or https URL')
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
