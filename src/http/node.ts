import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { answerWatch } from './answer-watch.ts'
import { NO_OBSERVER, type RequestObserver } from './answered-request.ts'
import { type HttpLog, logFields } from './app.ts'
import { BodyMemory } from './body-memory.ts'
import { BufferPool } from './buffer-pool.ts'
import { type ConnectionEnd, ConnectionTurns } from './connection-turns.ts'
import { type ExcessConnections, excessConnections } from './excess-connections.ts'
import { type Answering, type Bodies, Exchange, handle } from './exchange.ts'
import { type AcceptedConnection, type NetworkAddress, openListener } from './listener.ts'
import { type HttpApp, PeerGoneError } from './message.ts'
import { createServer, createTlsServer, isTlsServer } from './node-http.ts'
import { HANDSHAKE_TIMEOUT_MS, refusePlainRequest } from './plain-request.ts'
import { ProgressWatch } from './progress.ts'
import { type Refuse, refuser } from './refusal.ts'
import { type OriginReader, originReader } from './request-origin.ts'
import { RunningWork } from './running-work.ts'
import { StalledRequests } from './stalled-requests.ts'
import { CHUNK_SIZE } from './transfer.ts'
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
  /** Is told of each request. */
  observer?: RequestObserver
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
  readonly address: NetworkAddress
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
  options: NodeServerOptions & NetworkAddress,
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
    observer = NO_OBSERVER,
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
  const running = new RunningWork()
  const ending = new AbortController()
  const stalled = new StalledRequests(isStalled)
  const answering = { app, readOrigin, bodies, ending: ending.signal, stalled, running }
  // Node would silently drop headers above its own limit.
  server.maxHeadersCount = 0
  const refuse = refuser(readOrigin, observer)
  const turns = new ConnectionTurns(refuse)
  const whenReady = tls === undefined ? 'connection' : 'secureConnection'
  server.on(whenReady, (socket: Socket) => turns.add(socket))
  ignoreUpgrades(server, turns, { event: whenReady, refuse })
  onRequest(server, (request, response, askToContinue) => {
    const exchange = new Exchange(answering, { incoming: request, response, askToContinue })
    turns.take(request, response, (end) => void answer(answering, { exchange, end, log }))
    response.on('close', () => {
      exchange.delivery.memory.giveBack()
      if (exchange.hasBegun && observer.isActive) observer.observe(exchange.answered())
    })
  })
  server.on('clientError', (error, socket) => turns.refuse(error, socket as Socket))
  const excess = excessConnections(tls, readOrigin, observer)
  // The server never listens itself. The `listening` event makes it start to check how long request heads take.
  server.emit('listening')
  return {
    ...closable(server, { turns, running, ending, stalled, excess, refuse }),
    hasZeroCopy: zeroCopy !== undefined,
    setTls(files) {
      if (isTlsServer(server)) server.setSecureContext(files)
      excess.setTls(files)
    },
  }
}

/** Calls a function for each request, also for those that wait for `100 Continue`. */
function onRequest(
  server: Server,
  serve: (request: IncomingMessage, response: ServerResponse, askToContinue: () => void) => void,
): void {
  const nothing = () => {}
  server.on('request', (request, response) => serve(request, response, nothing))
  server.on('checkContinue', (request, response) => serve(request, response, () => response.writeContinue()))
  server.on('checkExpectation', (request, response) => serve(request, response, nothing))
}

/** Answers a request, and closes its connection if that fails. Never rejects. */
async function answer(
  answering: Answering,
  { exchange, end, log }: { exchange: Exchange; end: ConnectionEnd; log: HttpLog },
): Promise<void> {
  answering.running.begin()
  try {
    await handle(answering, exchange, end)
  } catch (error) {
    exchange.response.destroy()
    if (!(error instanceof PeerGoneError))
      log.error({ ...logFields(exchange.request), error }, 'the response could not be sent')
  } finally {
    answering.running.end()
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
    refuse,
  }: {
    turns: ConnectionTurns
    running: RunningWork
    ending: AbortController
    stalled: StalledRequests
    excess: ExcessConnections
    refuse: Refuse
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
      if (isTlsServer(server)) return refusePlainRequest(connection, begin, refuse)
      begin()
      // The listener paused it.
      connection.resume()
    },
    async close() {
      ending.abort()
      await emptied(connections, turns)
      await running.idle()
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

async function openBodies(zeroCopy: ZeroCopy | undefined, memory: number): Promise<Bodies> {
  return {
    memory: new BodyMemory(memory),
    buffers: new BufferPool(Math.ceil(memory / MEMORY_OF_A_BUFFER), CHUNK_SIZE),
    watchBody: new ProgressWatch(BODY_WINDOW_MS),
    watchAnswer: await answerWatch(),
    zeroCopy,
  }
}
