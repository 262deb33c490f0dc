import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { rawSender } from '../../src/cli/conformance-connection.ts'
import type { Case } from '../../src/conformance/case.ts'
import { type Result, runCases } from '../../src/conformance/run.ts'
import { openSession } from '../../src/conformance/session.ts'
import type { HttpApp, HttpRequest, HttpResponse } from '../../src/http/message.ts'
import { parseRoute } from '../../src/oci/route.ts'
import { changed, type Fault, NO_ORIGIN, openFaulty, sendTo, startFaulty } from './faulty-registry.ts'

/** A registry that does one thing wrong. */
export interface KnownBad {
  /** The case that sees it. */
  id: string
  /** What it does, as "a registry that ..." goes on. */
  does: string
  fault: Fault
  /** Cases that can't help but see it too, and why. */
  alsoFails?: readonly [id: string, why: string][]
}

const OPTIONS = { repository: 'test', concurrency: 8 }

/**
 * Holds cases to a good registry, and each of them to a registry that does what it looks for.
 *
 * @param raw whether the cases need connections of their own
 */
export function testCases(
  subject: string,
  cases: readonly Case[],
  table: readonly KnownBad[],
  { raw = false }: { raw?: boolean } = {},
): void {
  test(`a good registry passes every case of ${subject}`, async (t) => {
    const origin = await startFaulty(t)
    const results = await runOverNetwork(cases, origin)
    assert.deepEqual(results.filter(({ verdict }) => verdict !== 'passed').map(describe), [])
  })

  test(`there is a known-bad registry for every case of ${subject}`, () => {
    const covered = new Set(table.map(({ id }) => id))
    assert.deepEqual(
      cases.filter(({ id }) => !covered.has(id)).map(({ id }) => id),
      [],
    )
  })

  for (const { id, does, fault, alsoFails = [] } of table) {
    test(`a registry that ${does} fails ${id}, and no other case of ${subject}`, async (t) => {
      const results = raw
        ? await runOverNetwork(cases, await startFaulty(t, fault))
        : await runInProcess(cases, await openFaulty(t, fault))
      const failed = results.filter(({ verdict }) => verdict === 'failed' || verdict === 'warned')
      assert.deepEqual(
        failed.map((result) => result.case.id).sort(),
        [id, ...alsoFails.map(([other]) => other)].sort(),
        failed.map(describe).join('\n'),
      )
    })
  }
}

async function runOverNetwork(cases: readonly Case[], origin: string): Promise<Result[]> {
  return await runCases(cases, { ...OPTIONS, origin, send: openSession(origin), sendRaw: rawSender(origin) })
}

/** Without a network, since there are many faults. */
async function runInProcess(cases: readonly Case[], app: HttpApp): Promise<Result[]> {
  return await runCases(cases, { ...OPTIONS, origin: NO_ORIGIN, send: sendTo(app) })
}

function describe(result: Result): string {
  const { case: _, ...rest } = result
  const { request, answer } = ('exchanges' in rest && rest.exchanges.at(-1)) || {}
  const { status, headers } = answer ?? {}
  const { method, url } = request ?? {}
  const message = 'message' in rest ? rest.message : 'because' in rest ? rest.because : ''
  return `${result.case.id} ${rest.verdict}: ${message} (${method} ${url}: ${status} ${JSON.stringify(Object.fromEntries(headers ?? []))})`
}

/** Which requests a fault is about: a method, or several with bars between them, and the endpoint. */
export type Which = string | ((request: HttpRequest) => boolean)

/** Requests of this kind whose path and query fit. */
export function at(which: string, pattern: RegExp): (request: HttpRequest) => boolean {
  return (request) => fits(request, which) && pattern.test(`${request.path}?${request.query}`)
}

function fits(request: HttpRequest, which: Which): boolean {
  if (typeof which === 'function') return which(request)
  const [methods = '', endpoint] = which.split(' ')
  if (!methods.split('|').includes(request.method)) return false
  return endpoint === undefined || parseRoute(request.path)?.id === endpoint
}

type Changed = HttpResponse | Promise<HttpResponse>

/** Answers these requests otherwise. */
export function answering(
  which: Which,
  change: (response: HttpResponse, request: HttpRequest) => Changed,
): Fault {
  return (app) => async (request) => {
    const response = await app(request)
    return fits(request, which) ? await change(response, request) : response
  }
}

/** Takes these requests for others. */
export function asking(which: Which, change: (request: HttpRequest) => Partial<HttpRequest>): Fault {
  return (app) => async (request) =>
    await app(fits(request, which) ? changed(request, change(request)) : request)
}

/** Never gets to the registry with these requests. */
export function refusing(which: Which, answer: (request: HttpRequest) => HttpResponse): Fault {
  return (app) => async (request) => (fits(request, which) ? answer(request) : await app(request))
}

/** Answers these requests with another status, where it would have answered with a certain one. */
export function status(which: Which, wrong: number, right?: number): Fault {
  return answering(which, (response) =>
    right === undefined || response.status === right ? { ...response, status: wrong } : response,
  )
}

/** Leaves a header out where these requests succeed, or gives it another value. */
export function header(which: Which, name: string, value?: string | ((right: string) => string)): Fault {
  return answering(which, (response) => {
    if (response.status >= 300) return response
    const { [name]: right = '', ...headers } = response.headers
    if (value === undefined) return { ...response, headers }
    return { ...response, headers: { ...headers, [name]: typeof value === 'string' ? value : value(right) } }
  })
}

/** The bodies of all endpoints in one: a fault knows which it has. */
export interface JsonBody {
  [field: string]: unknown
  tags: string[]
  manifests: Record<string, unknown>[]
  errors: { code: string; message: unknown }[]
}

/** Answers these requests with another JSON body, where the answer has one. */
export function json(which: Which, change: (body: JsonBody, request: HttpRequest) => unknown): Fault {
  return answering(which, (response, request) => {
    if (response.body?.type !== 'bytes') return response
    const body: JsonBody = JSON.parse(Buffer.from(response.body.bytes).toString())
    return text(response, JSON.stringify(change(body, request)))
  })
}

/** An answer with another body. */
export function text(response: HttpResponse, body: string): HttpResponse {
  const bytes = Buffer.from(body)
  const headers = { ...response.headers, 'Content-Length': `${bytes.length}` }
  return { ...response, headers, body: { type: 'bytes', bytes } }
}

/** Takes no manifest whose text has this in it. */
export function refusingContent(pattern: RegExp, wrong = 400): Fault {
  return (app) => async (request) => {
    if (!fits(request, 'PUT manifest')) return await app(request)
    const chunks: Uint8Array[] = []
    for await (const chunk of request.body) chunks.push(chunk)
    if (pattern.test(Buffer.concat(chunks).toString()))
      return { status: wrong, headers: { 'Content-Length': '0' } }
    return await asking('PUT', () => ({ body: Readable.from(chunks) }))(app)(request)
  }
}
