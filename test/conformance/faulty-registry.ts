import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import type { TestContext } from 'node:test'
import type { Send } from '../../src/conformance/probe.ts'
import { ociExtension } from '../../src/extensions/oci.ts'
import { stowageExtension } from '../../src/extensions/stowage/stowage.ts'
import { createApp } from '../../src/http/app.ts'
import type { HttpApp, HttpBody, HttpRequest, HttpResponse } from '../../src/http/message.ts'
import { listen } from '../../src/http/node.ts'
import { originReader } from '../../src/http/request-origin.ts'
import { JobRunner } from '../../src/jobs/runner.ts'
import { memoryMetadata } from '../../src/metadata/sqlite/store.ts'
import { localRegistry } from '../../src/registry/registry.ts'
import { chunksOf } from '../../src/registry/stored-bytes.ts'
import { memoryBlobStore } from '../../src/storage/memory.ts'

/** Changes one thing about a good registry. */
export type Fault = (app: HttpApp) => HttpApp

const HOUR = 3_600_000
const SILENT = { debug() {}, error() {} }

/** Starts a registry in memory with one fault. @returns its origin */
export async function startFaulty(test: Pick<TestContext, 'after'>, fault?: Fault): Promise<string> {
  const server = await listen(await openFaulty(test, fault), { host: '127.0.0.1', port: 0, log: SILENT })
  test.after(() => server.close())
  return `http://127.0.0.1:${server.address.port}`
}

/** Opens a registry in memory with one fault, without a port. */
export async function openFaulty(
  test: Pick<TestContext, 'after'>,
  fault: Fault = (app) => app,
): Promise<HttpApp> {
  const metadata = memoryMetadata()
  const registry = localRegistry({
    metadata,
    blobs: memoryBlobStore(),
    retention: { uploads: HOUR, unusedBlobs: HOUR, deletedManifests: HOUR, history: HOUR, garbage: HOUR },
    clock: Date.now,
    random: randomBytes,
  })
  const runner = new JobRunner([registry.maintenance.deletion], {
    store: metadata,
    holder: 'test',
    log: SILENT,
  })
  runner.start()
  test.after(async () => {
    await runner.stop()
    await metadata.close()
  })
  return fault(
    createApp({
      registry,
      extensions: [ociExtension, stowageExtension],
      clock: Date.now,
      isReady: async () => true,
      log: SILENT,
    }),
  )
}

/** Where a registry without a port is asked. */
export const NO_ORIGIN = 'http://localhost'

const readOrigin = originReader()

/** Asks a registry without a port. */
export function sendTo(app: HttpApp): Send {
  return async (request) => {
    const { pathname, searchParams } = new URL(request.target, NO_ORIGIN)
    const headers = new Headers(request.headers)
    headers.set('Host', new URL(NO_ORIGIN).host)
    if (!request.streamed) headers.set('Content-Length', String(request.body?.length ?? 0))
    const header = (name: string) => headers.get(name) ?? undefined
    const response = await app({
      method: request.method,
      path: pathname,
      query: searchParams,
      header,
      origin: readOrigin({ peer: '127.0.0.1', isEncrypted: false }, header),
      signal: new AbortController().signal,
      body: Readable.from(request.body?.length ? [request.body] : []),
    })
    return {
      status: response.status,
      headers: new Headers(response.headers),
      body: response.body === undefined ? new Uint8Array() : await bytesOf(response.body, request.until),
    }
  }
}

async function bytesOf(body: HttpBody, until?: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of chunksOf(body)) {
    chunks.push(chunk)
    if (until !== undefined && Buffer.concat(chunks).includes(until)) break
  }
  return Buffer.concat(chunks)
}

/** Which requests a fault is about. */
export type Matches = (request: HttpRequest) => boolean

/** Paths of the endpoints. */
export const PATHS = {
  blob: /\/blobs\/[^/]+:[^/]+$/,
  uploads: /\/blobs\/uploads\/$/,
  upload: /\/blobs\/uploads\/[^/]+$/,
} as const

/** Requests of one method to one endpoint. */
export function on(method: string, path: RegExp, also: Matches = () => true): Matches {
  return (request) => request.method === method && path.test(request.path) && also(request)
}

/** Changes answers. */
export function answering(
  matches: Matches,
  change: (response: HttpResponse, request: HttpRequest) => HttpResponse,
): Fault {
  return (app) => async (request) => {
    const response = await app(request)
    return matches(request) ? change(response, request) : response
  }
}

/** Has the registry see another request than was sent. */
export function asking(matches: Matches, change: (request: HttpRequest) => Partial<HttpRequest>): Fault {
  return (app) => (request) => app(matches(request) ? changed(request, change(request)) : request)
}

/** A request that differs from another in some parts. */
export function changed(request: HttpRequest, change: Partial<HttpRequest>): HttpRequest {
  return {
    method: request.method,
    path: request.path,
    query: request.query,
    header: (name) => request.header(name),
    origin: request.origin,
    signal: request.signal,
    body: request.body,
    ...change,
  }
}

/** Answers without doing anything. */
export function refusing(matches: Matches, status: number): Fault {
  return (app) => async (request) => (matches(request) ? emptyAnswer(status) : app(request))
}

/** An answer of nothing but headers. */
export function emptyAnswer(status: number, headers: Record<string, string> = {}): HttpResponse {
  return { status, headers: status === 204 ? headers : { ...headers, 'Content-Length': '0' } }
}

/** Answers with another status where it would have been this one. */
export function turning(matches: Matches, from: number, to: number): Fault {
  return answering(matches, (response) =>
    response.status === from ? emptyAnswer(to, withoutHeader(response, 'Content-Length')) : response,
  )
}

/** Leaves a header out. */
export function leavingOut(matches: Matches, name: string): Fault {
  return answering(matches, (response) => ({ ...response, headers: withoutHeader(response, name) }))
}

function withoutHeader({ headers }: HttpResponse, name: string): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([each]) => each !== name))
}

/** Puts another value in a header, where there is one. */
export function rewriting(
  matches: Matches,
  name: string,
  rewrite: (value: string, request: HttpRequest) => string,
): Fault {
  return answering(matches, (response, request) => {
    const value = response.headers[name]
    if (value === undefined) return response
    return { ...response, headers: { ...response.headers, [name]: rewrite(value, request) } }
  })
}

/** Has the registry not see a header. */
export function hiding(matches: Matches, name: string): Fault {
  return asking(matches, (request) => ({
    header: (each) => (each === name ? undefined : request.header(each)),
  }))
}
