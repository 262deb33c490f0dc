import type { IncomingMessage, ServerResponse } from 'node:http'
import { type ErrorId, RegistryError } from '../oci/error.ts'
import { closeBytes } from '../registry/stored-bytes.ts'
import type { AnswerWatch } from './answer-watch.ts'
import type { AnsweredRequest } from './answered-request.ts'
import type { BodyMemory, MemoryHolder } from './body-memory.ts'
import type { ConnectionEnd } from './connection-turns.ts'
import { type HttpApp, type HttpResponse, LIVENESS_PATH } from './message.ts'
import { NodeRequest, RequestChunks } from './node-request.ts'
import type { ProgressWatch } from './progress.ts'
import { hasBody, RequestBody } from './request-body.ts'
import type { OriginReader } from './request-origin.ts'
import { framingProblemOf, problemOf } from './request-problem.ts'
import { complete, errorResponse } from './respond.ts'
import type { RunningWork } from './running-work.ts'
import { givenUp, type StalledRequests } from './stalled-requests.ts'
import { type Delivery, sendBody, sendEarly } from './transfer.ts'

/** What bodies are received and sent with, and their limits. */
export interface Bodies extends Pick<Delivery, 'zeroCopy' | 'buffers'> {
  memory: BodyMemory
  watchBody: ProgressWatch
  watchAnswer: AnswerWatch
}

/** What the server needs to answer on a connection. */
export interface Answering {
  app: HttpApp
  readOrigin: OriginReader
  bodies: Bodies
  /** Aborted when the server is closing. */
  ending: AbortSignal
  stalled: StalledRequests
  /** The server waits for it when it closes. */
  running: RunningWork
}

/** A request with its response. It owns the memory that both use. */
export class Exchange implements MemoryHolder {
  readonly request: NodeRequest
  readonly incoming: IncomingMessage
  readonly response: ServerResponse
  readonly delivery: Delivery
  readonly chunks: RequestChunks
  /** Absent if the request has none. */
  readonly body: RequestBody | undefined
  /** The error that the answer reports. */
  error: ErrorId | undefined
  /** Whether it got its turn to be answered. */
  hasBegun = false
  readonly #arrived = performance.now()

  /**
   * Receives the body of the request from now on, also while the request waits for its turn.
   *
   * @param askToContinue tells a client that waits for permission to send the body
   */
  constructor(
    { bodies, readOrigin, ending }: Answering,
    {
      incoming,
      response,
      askToContinue,
    }: { incoming: IncomingMessage; response: ServerResponse; askToContinue: () => void },
  ) {
    const { memory, watchBody, watchAnswer: watch, zeroCopy, buffers } = bodies
    const share = memory.open(this)
    const body = hasBody(incoming) ? new RequestBody(incoming, share) : undefined
    const chunks = new RequestChunks(body, watchBody, askToContinue)
    this.incoming = incoming
    this.response = response
    this.delivery = { response, zeroCopy, buffers, watch, memory: share, sent: 0 }
    this.body = body
    this.chunks = chunks
    this.request = new NodeRequest({ incoming, response, body, chunks, readOrigin, ending })
  }

  /** What became of it, once its response is closed. */
  answered(): AnsweredRequest {
    const { request, incoming, response, body, delivery, error } = this
    const { requestId, address } = request.origin
    return {
      requestId,
      address,
      method: request.method,
      path: request.path,
      userAgent: incoming.headers['user-agent'],
      operation: request.operation,
      status: response.headersSent ? response.statusCode : undefined,
      error,
      received: body?.received ?? 0,
      sent: delivery.sent,
      milliseconds: performance.now() - this.#arrived,
      isWhole: response.writableFinished,
    }
  }

  progress(): number {
    const { bytesRead, bytesWritten } = this.incoming.socket
    return bytesRead + bytesWritten
  }

  cut(): void {
    this.incoming.socket.destroy()
  }
}

/** Answers a request. Rejects, with the connection closed, if the answer can't be sent whole. */
export async function handle(answering: Answering, exchange: Exchange, end: ConnectionEnd): Promise<void> {
  const { incoming, response, delivery, body, chunks } = exchange
  exchange.hasBegun = true
  const problem = framingProblemOf(incoming)
  const work = answerOf(answering, exchange, problem ?? problemOf(incoming))
  const answered = await answering.stalled.answered(incoming.method, work)
  if (answered === undefined) {
    end.isHere = true
    answering.running.track(leave(exchange, work))
  }
  const answer = answered ?? completed(exchange, givenUp())
  exchange.error = answer.error?.id
  if (response.destroyed) return await discard(answer)
  const waitsToContinue = incoming.headers.expect !== undefined && !chunks.isWanted
  const isEarly = !incoming.complete
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
async function leave({ incoming, body }: Exchange, work: Promise<HttpResponse>): Promise<void> {
  if (!incoming.complete) body?.giveUp()
  await discard(await work)
}

async function answerOf(
  { app, stalled }: Answering,
  exchange: Exchange,
  problem: ErrorId | undefined,
): Promise<HttpResponse> {
  const { request, incoming, delivery } = exchange
  if (problem !== undefined) return completed(exchange, errorResponse(new RegistryError(problem)))
  const refusal = stalled.refusal(request.method)
  if (refusal !== undefined) return completed(exchange, refusal)
  // Answers that the client does not read hold memory too.
  if (delivery.memory.isScarce && incoming.url !== LIVENESS_PATH) await delivery.memory.take(0)
  return await app(request)
}

function completed({ request, incoming }: Exchange, response: HttpResponse): HttpResponse {
  return complete(response, incoming.method, request.origin.requestId)
}

async function discard({ body }: HttpResponse): Promise<void> {
  if (body !== undefined) await closeBytes(body)
}
