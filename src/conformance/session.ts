import { type Credentials, type Get, openAuthorization } from './authorization.ts'
import type { ProbeAnswer, ProbeRequest } from './exchange.ts'
import type { Send } from './probe.ts'
import { problemOf } from './problem.ts'

const MAX_BODY = 32 * 1024 * 1024
const MAX_TOKEN_BODY = 1024 * 1024
const MAX_REDIRECTS = 5
const TIMEOUT = 60_000

/** What a session may be given. */
export interface SessionOptions {
  credentials?: Credentials
  /** Longest time of one request with its answer, in milliseconds. */
  timeout?: number
  /** Told of all that must never be shown: the password, tokens. */
  onSecret?(secret: string): void
}

/**
 * Sends requests to one registry by fetch and meets its challenges. Redirects are followed, as the specification lets a registry
 * answer with them; what lets us in never goes to another host. Rejects with an error of one line if there is no whole answer.
 */
export function openSession(origin: string, options: SessionOptions = {}): Send {
  const { timeout = TIMEOUT } = options
  const get: Get = (url, authorization) =>
    exchange({ method: 'GET', target: url }, { url, authorization, timeout, maxBody: MAX_TOKEN_BODY })
  const authorization = openAuthorization(origin, get, options)
  const once = (request: ProbeRequest, header: string | undefined) => {
    const url = request.target.startsWith('/')
      ? origin + request.target
      : new URL(request.target, origin).href
    const isHome = new URL(url).origin === origin
    return exchange(request, { url, authorization: isHome ? header : undefined, timeout, maxBody: MAX_BODY })
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
      throw new Error(problemOf(error), { cause: error })
    }
  }
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
}

/** One request and those that its redirects ask for. */
async function exchange(
  request: ProbeRequest,
  { url, authorization, timeout, maxBody }: Line,
): Promise<ProbeAnswer & { origin: string }> {
  const signal = AbortSignal.timeout(timeout)
  const home = new URL(url).origin
  const headers = new Headers(request.headers)
  // Without it fetch would ask for packed answers and unpack them: their bytes are what is tested.
  if (!headers.has('accept-encoding')) headers.set('accept-encoding', 'identity')
  if (authorization !== undefined) headers.set('authorization', authorization)
  let { method, body } = request
  let at = url
  for (let count = 0; ; count++) {
    const streamed = request.streamed === true && body !== undefined
    const response = await fetch(at, {
      method,
      headers,
      ...(body && { body: streamed ? streamOf(body) : (body as Uint8Array<ArrayBuffer>), duplex: 'half' }),
      redirect: 'manual',
      signal,
    })
    const next = redirectOf(response, at)
    if (next === undefined) {
      const { status } = response
      const whole = {
        status,
        headers: response.headers,
        body: await readBody(response, maxBody, request.until),
      }
      return { ...whole, origin: new URL(at).origin }
    }
    await response.body?.cancel()
    if (count === MAX_REDIRECTS) throw new Error(`more than ${MAX_REDIRECTS} redirects`)
    if (next.origin !== home) headers.delete('authorization')
    if (response.status === 303 || (response.status < 303 && method === 'POST')) {
      method = method === 'HEAD' ? 'HEAD' : 'GET'
      body = undefined
      for (const name of ['content-type', 'content-length', 'content-range']) headers.delete(name)
    }
    at = next.href
  }
}

function redirectOf({ status, headers }: Response, at: string): URL | undefined {
  const location = headers.get('location')
  if (![301, 302, 303, 307, 308].includes(status) || location === null) return undefined
  const url = URL.parse(location, at)
  if (url === null || !['http:', 'https:'].includes(url.protocol))
    throw new Error('a redirect to no URL of http')
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

async function readBody(response: Response, maxBody: number, until?: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  const decoder = new TextDecoder()
  let size = 0
  let text = ''
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > maxBody) throw new Error(`the answer is longer than ${maxBody / 1024 / 1024} MiB`)
    chunks.push(chunk)
    if (until === undefined) continue
    text += decoder.decode(chunk, { stream: true })
    if (text.includes(until)) break
  }
  const whole = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole
}
