import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http'
import { createServer as createTlsServer, Server as TlsServer } from 'node:https'
import type { AddressInfo, ListenOptions as ListenOptionsOfNode, Socket } from 'node:net'
import { type ErrorId, RegistryError } from '../oci/error.ts'
import type { HttpLog } from './app.ts'
import { type ConnectionEnd, ConnectionTurns } from './connection-turns.ts'
import { type HttpApp, type HttpRequest, type HttpResponse, PeerGoneError } from './message.ts'
import { errorResponse, withoutBodyOfHead } from './respond.ts'
import { requestBody, sendBody, sendEarly } from './transfer.ts'
import { ignoreUpgrades } from './upgrade.ts'
import { openZeroCopy, type ZeroCopy } from './zero-copy.ts'

/** A certificate chain and its key, in PEM. */
export interface TlsFiles {
  cert: Buffer
  key: Buffer
}

/** Where and how a server listens. */
export interface ListenOptions {
  host: string
  port: number
  tls?: TlsFiles | undefined
  /** Whether other threads listen at the same port; the system spreads connections over them. */
  sharesPort?: boolean
  /** How files are sent: inside of the kernel where that is offered, or always by reading them. */
  zeroCopy?: 'auto' | 'off'
  log: HttpLog
}

/** A listening server. */
export interface NodeServer {
  readonly address: AddressInfo
  /** Whether files are sent inside of the kernel. */
  readonly hasZeroCopy: boolean
  /** Takes another certificate for new connections. @throws if it can't be used; the old one stays then */
  setTls(files: TlsFiles): void
  /** Takes no more connections and waits for running requests. */
  close(): Promise<void>
}

const MAX_HEADERS = 200

const OPTIONS: ServerOptions = {
  // Refused here, with an error body.
  requireHostHeader: false,
  // A push takes as long as it takes: transfers are watched for progress instead (transfer.ts).
  requestTimeout: 0,
  headersTimeout: 30_000,
  connectionsCheckingInterval: 5_000,
  // Longer than load balancers keep theirs, or they would meet connections that are being closed.
  keepAliveTimeout: 90_000,
  maxHeaderSize: 32 * 1024,
}

/**
 * Serves an app over HTTP/1.1, or over TLS.
 *
 * @throws the error of `listen`, such as EADDRINUSE
 */
export async function listen(
  app: HttpApp,
  { host, port, tls, sharesPort = false, zeroCopy: wanted = 'auto', log }: ListenOptions,
): Promise<NodeServer> {
  const zeroCopy = wanted === 'off' || tls !== undefined ? undefined : await openZeroCopy()
  const server =
    tls === undefined
      ? createServer(OPTIONS)
      : createTlsServer({ ...OPTIONS, ...tls, handshakeTimeout: 10_000 })
  const ending = new AbortController()
  // Node would silently drop headers above its own limit.
  server.maxHeadersCount = 0
  const turns = new ConnectionTurns()
  const whenReady = tls === undefined ? 'connection' : 'secureConnection'
  server.on(whenReady, (socket: Socket) => turns.add(socket))
  ignoreUpgrades(server, turns, whenReady)
  const serve = (request: IncomingMessage, response: ServerResponse, goOn: () => void) => {
    turns.take(request, response, async (end) => {
      const exchange = { request, response, goOn, end, zeroCopy, ending: ending.signal }
      await handle(app, exchange).catch((error: unknown) => {
        response.destroy()
        if (!(error instanceof PeerGoneError))
          log.error({ error, path: request.url }, 'answer could not be sent')
      })
    })
  }
  server.on('request', (request, response) => serve(request, response, () => {}))
  server.on('checkContinue', (request, response) => serve(request, response, () => response.writeContinue()))
  server.on('checkExpectation', (request, response) => serve(request, response, () => {}))
  server.on('clientError', (error, socket) => turns.refuse(error, socket as Socket))
  await started(server, { host, port, reusePort: sharesPort })
  return {
    address: server.address() as AddressInfo,
    hasZeroCopy: zeroCopy !== undefined,
    setTls(files) {
      if (server instanceof TlsServer) server.setSecureContext(files)
    },
    close: () => {
      ending.abort()
      return stopped(server, turns)
    },
  }
}

function started(server: Server, place: ListenOptionsOfNode): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ ...place, backlog: 1024 }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** Connections end one by one, as their last request does; those on which none is running end at once. */
function stopped(server: Server, turns: ConnectionTurns): Promise<void> {
  return new Promise((resolve) => {
    const sweep = setInterval(() => turns.endIdle(), 50)
    server.close(() => {
      clearInterval(sweep)
      resolve()
    })
    turns.endIdle()
  })
}

/** A request with its response. */
interface Exchange {
  request: IncomingMessage
  response: ServerResponse
  /** Aborted when the server is closing. */
  ending: AbortSignal
  /** Whether the connection ends with this exchange. */
  end: ConnectionEnd
  goOn: () => void
  zeroCopy: ZeroCopy | undefined
}

async function handle(app: HttpApp, exchange: Exchange): Promise<void> {
  const { request, response, ending, end, goOn, zeroCopy } = exchange
  let wentOn = false
  const body = requestBody(request, () => {
    wentOn = true
    goOn()
  })
  const problem = framingProblemOf(request)
  const answer = await answerOf(app, exchange, { problem: problem ?? problemOf(request), body })
  if (response.destroyed) return await discard(answer)
  const waitsToGoOn = request.headers.expect !== undefined && !wentOn
  const isEarly = !request.complete
  if (isEarly || problem !== undefined || ending.aborted) end.isHere = true
  response.writeHead(answer.status, end.isHere ? { ...answer.headers, Connection: 'close' } : answer.headers)
  if (!isEarly) return await sendBody(response, answer.body, zeroCopy)
  // Whoever stopped reading in the middle still holds the stream, and what comes could not be thrown away.
  void body.return(undefined)
  await sendEarly(request, response, { body: answer.body, mayBeSilent: waitsToGoOn, zeroCopy })
}

async function answerOf(
  app: HttpApp,
  exchange: Exchange,
  { problem, body }: { problem: ErrorId | undefined; body: AsyncIterable<Uint8Array> },
): Promise<HttpResponse> {
  if (problem !== undefined)
    return withoutBodyOfHead(exchange.request.method, errorResponse(new RegistryError(problem)))
  return await app(toHttpRequest(exchange, body))
}

/** A body that another program in front of this one may see end elsewhere. RFC 9112, sections 6.1 and 7 */
function framingProblemOf({ headers, httpVersion }: IncomingMessage): ErrorId | undefined {
  const coding = headers['transfer-encoding']
  if (coding === undefined) return undefined
  if (httpVersion === '1.0') return 'REQUEST_INVALID'
  return coding.toLowerCase() === 'chunked' ? undefined : 'TRANSFER_CODING_UNSUPPORTED'
}

/** What Node would refuse without a body that says why, or not at all. */
function problemOf({ rawHeaders, headers, httpVersion }: IncomingMessage): ErrorId | undefined {
  if (rawHeaders.length > 2 * MAX_HEADERS) return 'HEADERS_TOO_LARGE'
  const hosts = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host')
  if (hosts.length > 1 || (hosts.length === 0 && httpVersion === '1.1')) return 'REQUEST_INVALID'
  const { expect } = headers
  return expect === undefined || expect.toLowerCase() === '100-continue' ? undefined : 'EXPECTATION_FAILED'
}

async function discard({ body }: HttpResponse): Promise<void> {
  if (body?.type === 'file') await body.close()
}

function toHttpRequest(
  { request, response, ending }: Exchange,
  body: AsyncIterable<Uint8Array>,
): HttpRequest {
  // A proxy may send the absolute form.
  const target = (request.url ?? '/').replace(/^https?:\/\/[^/?]*/i, '')
  const mark = target.indexOf('?')
  const path = mark === -1 ? target : target.slice(0, mark)
  let query: URLSearchParams | undefined
  return {
    method: request.method ?? 'GET',
    path: path === '' ? '/' : path,
    get query() {
      query ??= new URLSearchParams(mark === -1 ? '' : target.slice(mark + 1))
      return query
    },
    header(name) {
      const value = request.headers[name]
      return Array.isArray(value) ? value.join(', ') : value
    },
    get signal() {
      return AbortSignal.any([ending, goneSignal(response)])
    },
    body,
  }
}

function goneSignal(response: ServerResponse): AbortSignal {
  if (response.destroyed) return AbortSignal.abort()
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  return gone.signal
}
