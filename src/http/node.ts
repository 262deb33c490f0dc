import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http'
import { createServer as createTlsServer, Server as TlsServer } from 'node:https'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ErrorId, RegistryError } from '../oci/error.ts'
import { type AnswerWatch, answerWatch } from './answer-watch.ts'
import type { HttpLog } from './app.ts'
import { BodyMemory, type MemoryHolder } from './body-memory.ts'
import { BufferPool } from './buffer-pool.ts'
import { type ConnectionEnd, ConnectionTurns } from './connection-turns.ts'
import { type ExcessConnections, excessConnections } from './excess-connections.ts'
import { type AcceptedConnection, type NetworkPlace, openListener } from './listener.ts'
import { type HttpApp, type HttpResponse, LIVENESS_PATH, PeerGoneError } from './message.ts'
import { NodeRequest, RequestChunks } from './node-request.ts'
import { HANDSHAKE_TIMEOUT_MS, refusePlainRequest } from './plain-request.ts'
import { ProgressWatch } from './progress.ts'
import { hasBody, RequestBody } from './request-body.ts'
import { type Connection, type OriginReader, originReader } from './request-origin.ts'
import { framingProblemOf, problemOf } from './request-problem.ts'
import { errorResponse, withoutBodyOfHead } from './respond.ts'
import { givenUp, StalledRequests } from './stalled-requests.ts'
import { CHUNK_SIZE, type Delivery, sendBody, sendEarly } from './transfer.ts'
import { isUnixConnection } from './unix-connection.ts'
import { ignoreUpgrades } from './upgrade.ts'
import { openZeroCopy, type ZeroCopy } from './zero-copy.ts'

/** A certificate chain and its key, in PEM. */
export interface TlsFiles {
  cert: Buffer
  key: Buffer
}

/** How a server answers. */
export interface NodeServerOptions {
  tls?: TlsFiles | undefined
  /** How files are sent: directly by the kernel if it supports that, or always by reading them. */
  zeroCopy?: 'auto' | 'off'
  /** Determines the origin of a request; if absent, it is taken from the connection. */
  readOrigin?: OriginReader
  /** How many bytes all bodies together may hold in memory; a body that would exceed this waits. 256 MiB if absent. */
  bodyMemory?: number
  /** Whether the storage has not answered for some time. */
  isStalled?: () => boolean
  log: HttpLog
}

/** Answers requests on connections that were accepted elsewhere. */
export interface NodeServer {
  /** Whether the kernel sends files directly. */
  readonly hasZeroCopy: boolean
  /** How many connections it has. */
  connectionCount(): number
  /** Answers the requests of a connection until it ends. If the connection exceeds the limit, it answers only one request, with a refusal. */
  take(connection: AcceptedConnection, options?: { isExcess: boolean }): void
  /** Uses another certificate for new connections. @throws if it can't be used; the old one then stays in use */
  setTls(files: TlsFiles): void
  /** Ends idle connections and endless answers at once and all other connections after their current request, and waits until all have ended. */
  close(): Promise<void>
  /** Ends all connections at once. */
  cut(): void
}

/** A server that has its own listener. */
export interface ListeningServer extends NodeServer {
  readonly address: NetworkPlace
}

const BODY_WINDOW_MS = 60_000

/** How many bytes the bodies of a server may hold in memory together, over all of its threads. */
export const MAX_BODY_MEMORY = 256 * 1024 * 1024

/** Files are read with one buffer for each this many bytes of body memory. */
const MEMORY_OF_A_BUFFER = 16 * CHUNK_SIZE

const OPTIONS: ServerOptions = {
  // This server refuses it itself, with an error body.
  requireHostHeader: false,
  // A push has no time limit: transfers are watched for progress instead (transfer.ts).
  requestTimeout: 0,
  headersTimeout: 30_000,
  connectionsCheckingInterval: 5_000,
  // Longer than the timeout of load balancers; otherwise they would use connections that are being closed.
  keepAliveTimeout: 90_000,
  maxHeaderSize: 32 * 1024,
}

/**
 * Serves an app over HTTP/1.1, or over TLS, at a place.
 *
 * @throws the error of listening, such as EADDRINUSE
 */
export async function listen(
  app: HttpApp,
  options: NodeServerOptions & NetworkPlace,
): Promise<ListeningServer> {
  const listener = await openListener(options)
  const server = await nodeServer(app, options)
  listener.deliverTo((connection) => server.take(connection))
  return {
    ...server,
    address: { host: options.host, port: listener.addresses[0]?.port ?? 0 },
    close() {
      listener.close()
      return server.close()
    },
  }
}

/** Serves an app over HTTP/1.1, or over TLS, on the connections that are passed to it. */
export async function nodeServer(
  app: HttpApp,
  {
    tls,
    zeroCopy: wanted = 'auto',
    readOrigin = originReader(),
    bodyMemory = MAX_BODY_MEMORY,
    isStalled = () => false,
    log,
  }: NodeServerOptions,
): Promise<NodeServer> {
  const zeroCopy = wanted === 'off' || tls !== undefined ? undefined : await openZeroCopy()
  const bodies = await openBodies(zeroCopy, bodyMemory)
  const server =
    tls === undefined
      ? createServer(OPTIONS)
      : createTlsServer({ ...OPTIONS, ...tls, handshakeTimeout: HANDSHAKE_TIMEOUT_MS })
  /** Also waits for the unfinished work of connections that are gone: it may be making bytes durable. */
  const running = new Set<Promise<void>>()
  const ending = new AbortController()
  const stalled = new StalledRequests(isStalled)
  const answering = { app, readOrigin, ending: ending.signal, stalled, track: tracker(running) }
  // Node would silently drop headers above its own limit.
  server.maxHeadersCount = 0
  const turns = new ConnectionTurns()
  const whenReady = tls === undefined ? 'connection' : 'secureConnection'
  server.on(whenReady, (socket: Socket) => turns.add(socket))
  ignoreUpgrades(server, turns, whenReady)
  const serve = (request: IncomingMessage, response: ServerResponse, askToContinue: () => void) => {
    const exchange = new Exchange(bodies, request, response, askToContinue)
    turns.take(request, response, async (end) => {
      const work = handle(answering, exchange, end).catch((error: unknown) => {
        response.destroy()
        if (!(error instanceof PeerGoneError))
          log.error({ error, path: request.url }, 'the response could not be sent')
      })
      answering.track(work)
      await work
    })
    response.once('close', () => exchange.delivery.memory.giveBack())
  }
  const nothing = () => {}
  server.on('request', (request, response) => serve(request, response, nothing))
  server.on('checkContinue', (request, response) => serve(request, response, () => response.writeContinue()))
  server.on('checkExpectation', (request, response) => serve(request, response, nothing))
  server.on('clientError', (error, socket) => turns.refuse(error, socket as Socket))
  const excess = excessConnections(tls)
  // The server never listens itself. The `listening` event makes it start to check how long request heads take.
  server.emit('listening')
  return {
    ...closable(server, { turns, running, ending, stalled, excess }),
    hasZeroCopy: zeroCopy !== undefined,
    setTls(files) {
      if (server instanceof TlsServer) server.setSecureContext(files)
      excess.setTls(files)
    },
  }
}

/** Adds work to a set for as long as it runs. */
function tracker(running: Set<Promise<void>>): Answering['track'] {
  return (work) => {
    const remove = () => void running.delete(tracked)
    const tracked: Promise<void> = work.then(remove, remove)
    running.add(tracked)
  }
}

/** How a server receives connections, and how they end. */
function closable(
  server: Server,
  {
    turns,
    running,
    ending,
    stalled,
    excess,
  }: {
    turns: ConnectionTurns
    running: Set<Promise<void>>
    ending: AbortController
    stalled: StalledRequests
    excess: ExcessConnections
  },
): Pick<NodeServer, 'connectionCount' | 'take' | 'close' | 'cut'> {
  const connections = new Set<Socket>()
  return {
    connectionCount: () => connections.size,
    take(connection, { isExcess } = { isExcess: false }) {
      connections.add(connection)
      connection.once('close', () => connections.delete(connection))
      if (isExcess) return excess.take(connection)
      const begin = () => void server.emit('connection', connection)
      if (server instanceof TlsServer) return refusePlainRequest(connection, begin)
      begin()
      // The listener paused it.
      connection.resume()
    },
    async close() {
      ending.abort()
      await emptied(connections, turns)
      await Promise.all(running)
      stalled.close()
      server.close()
    },
    cut() {
      for (const connection of connections) connection.destroy()
    },
  }
}

/** Connections end one by one, when their last request ends. Idle connections end at once. */
async function emptied(connections: ReadonlySet<Socket>, turns: ConnectionTurns): Promise<void> {
  for (turns.endIdle(); connections.size > 0; turns.endIdle()) await sleep(50)
}

/** What bodies are received and sent with, and their limits. */
interface Bodies extends Pick<Delivery, 'zeroCopy' | 'buffers'> {
  memory: BodyMemory
  watchBody: ProgressWatch
  watchAnswer: AnswerWatch
}

async function openBodies(zeroCopy: ZeroCopy | undefined, memory: number): Promise<Bodies> {
  return {
    memory: new BodyMemory(memory),
    buffers: new BufferPool(Math.ceil(memory / MEMORY_OF_A_BUFFER), CHUNK_SIZE),
    watchBody: new ProgressWatch(BODY_WINDOW_MS),
    watchAnswer: await answerWatch(),
    zeroCopy,
  }
}

/** A request with its response. It owns the memory that both use. */
class Exchange implements MemoryHolder {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly delivery: Delivery
  readonly chunks: RequestChunks
  /** Absent if the request has none. */
  readonly body: RequestBody | undefined

  /** Receives the body of the request from now on, also while the request waits for its turn. */
  constructor(
    { memory, watchBody, watchAnswer: watch, zeroCopy, buffers }: Bodies,
    request: IncomingMessage,
    response: ServerResponse,
    askToContinue: () => void,
  ) {
    const share = memory.open(this)
    this.request = request
    this.response = response
    this.delivery = { response, zeroCopy, buffers, watch, memory: share }
    this.body = hasBody(request) ? new RequestBody(request, share) : undefined
    this.chunks = new RequestChunks(this.body, watchBody, askToContinue)
  }

  progress(): number {
    const { bytesRead, bytesWritten } = this.request.socket
    return bytesRead + bytesWritten
  }

  cut(): void {
    this.request.socket.destroy()
  }
}

/** What the server needs to answer on a connection. */
interface Answering {
  app: HttpApp
  readOrigin: OriginReader
  /** Aborted when the server is closing. */
  ending: AbortSignal
  stalled: StalledRequests
  /** Registers background work, which the server waits for when it closes. */
  track(work: Promise<unknown>): void
}

async function handle(answering: Answering, exchange: Exchange, end: ConnectionEnd): Promise<void> {
  const { request, response, delivery, body, chunks } = exchange
  const problem = framingProblemOf(request)
  const work = answerOf(answering, exchange, problem ?? problemOf(request))
  const answered = await answering.stalled.answered(request.method, work)
  if (answered === undefined) {
    end.isHere = true
    answering.track(leave(exchange, work))
  }
  const answer = answered ?? withoutBodyOfHead(request.method, givenUp())
  if (response.destroyed) return await discard(answer)
  const waitsToContinue = request.headers.expect !== undefined && !chunks.isWanted
  const isEarly = !request.complete
  if (isEarly || problem !== undefined || answering.ending.aborted) end.isHere = true
  response.writeHead(answer.status, end.isHere ? { ...answer.headers, Connection: 'close' } : answer.headers)
  if (!isEarly) return await sendBody(delivery, answer.body)
  // The rest of the body could not be discarded while it is still being read.
  if (answered !== undefined) chunks.cancel()
  await sendEarly(delivery, answer.body, { rest: body, mayBeSilent: waitsToContinue })
}

/**
 * Lets the work for a request continue in the background. The missing rest of its body will never arrive, and this must not look like the
 * end of the body.
 */
async function leave({ request, body }: Exchange, work: Promise<HttpResponse>): Promise<void> {
  if (!request.complete) body?.giveUp()
  await discard(await work)
}

async function answerOf(
  { app, readOrigin, ending, stalled }: Answering,
  { request, response, delivery, body, chunks }: Exchange,
  problem: ErrorId | undefined,
): Promise<HttpResponse> {
  if (problem !== undefined)
    return withoutBodyOfHead(request.method, errorResponse(new RegistryError(problem)))
  const refusal = stalled.refusal(request.method)
  if (refusal !== undefined) return refusal
  // Answers that the client does not read hold memory too.
  if (delivery.memory.isScarce && request.url !== LIVENESS_PATH) await delivery.memory.take(0)
  const connection = connectionOf(request.socket)
  return await app(
    new NodeRequest({ incoming: request, response, body, chunks, connection, readOrigin, ending }),
  )
}

async function discard({ body }: HttpResponse): Promise<void> {
  if (body?.type === 'file') await body.close()
}

function connectionOf(socket: Socket): Connection {
  return {
    peer: isUnixConnection(socket) ? 'unix' : socket.remoteAddress,
    isEncrypted: 'encrypted' in socket,
  }
}
