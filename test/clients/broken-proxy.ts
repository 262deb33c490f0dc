import { once } from 'node:events'
import {
  type ClientRequest,
  createServer,
  type IncomingMessage,
  request as openRequest,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

/** Enough for what was sent over loopback to arrive before the connection breaks; if it were not, less would have arrived. */
const FLUSH_MS = 50

/**
 * What goes wrong with an exchange on its way:
 *
 * - `cut-request`, `cut-answer`: both connections break in the middle of a body.
 * - `stall-request`, `stall-answer`: the client's connection breaks in the middle of a body, and the registry's stays open
 *   without another byte, as behind a balancer or NAT that forgot it.
 * - `lose-answer`: the registry does what it is asked, and the client's connection breaks instead of an answer.
 * - `repeat`: the answer gets lost before the proxy, which sends the request again, as balancers do that retry.
 */
export type FaultKind =
  | 'cut-request'
  | 'cut-answer'
  | 'stall-request'
  | 'stall-answer'
  | 'lose-answer'
  | 'repeat'

/** A fault and the requests that it happens to. */
export interface Fault {
  kind: FaultKind
  /** Tested against `<method> <path>`, without a query. */
  request: RegExp
  /** How many exchanges it happens to. */
  times: number
  /** Bytes of a body that pass before it breaks; 0 if absent. A body that is no longer passes whole. */
  after?: number
}

/** A proxy in front of a registry, on a port of its own. */
export interface BrokenProxy {
  host: string
  /** Sets what goes wrong from now on, in place of what did before. */
  breakBy(...faults: readonly Fault[]): void
  /** What went wrong since then, in order. */
  broken(): readonly FaultKind[]
  /** What was asked and answered since then, a line each: for the message of a test that fails. */
  story(): string
}

interface Exchange {
  incoming: IncomingMessage
  outgoing: ServerResponse
  /** Finds a fault of one of these kinds that waits for this exchange. */
  find(...kinds: FaultKind[]): Fault | undefined
  /** Has a fault happen to this exchange, unless it has meanwhile happened to enough others. @returns whether it does */
  claim(fault: Fault): boolean
  note(text: string): void
  /** Opens the same request to the registry. */
  open(): ClientRequest
}

/** Starts a proxy that passes on every request, and breaks those it is told to. It ends with the test. */
export async function startBrokenProxy(
  test: Pick<TestContext, 'after'>,
  registry: string,
): Promise<BrokenProxy> {
  const faults: Fault[] = []
  const broken: FaultKind[] = []
  const lines: string[] = []
  const { signal, abort } = withAbort()
  const server = createServer((incoming, outgoing) => {
    const { method = '', url = '', headers } = incoming
    const line = `${method} ${url.split('?', 1)[0]}`
    const note = (text: string) => void lines.push(`${method} ${url} ${rangeOf(headers)}: ${text}`)
    const exchange: Exchange = {
      incoming,
      outgoing,
      note,
      find: (...kinds) =>
        faults.find(({ kind, request, times }) => times > 0 && kinds.includes(kind) && request.test(line)),
      claim(fault) {
        if (fault.times === 0) return false
        fault.times--
        broken.push(fault.kind)
        note(fault.kind)
        return true
      },
      open: () => openRequest(`http://${registry}${url}`, { method, headers, agent: false, signal }),
    }
    pass(exchange).catch((error: Error) => {
      note(error.message)
      outgoing.destroy()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  test.after(() => {
    abort()
    server.close().closeAllConnections()
  })
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    breakBy(...chosen) {
      faults.splice(0, faults.length, ...chosen.map((fault) => ({ ...fault })))
      broken.length = 0
      lines.length = 0
    },
    broken: () => broken,
    story: () => lines.join('\n'),
  }
}

function withAbort(): { signal: AbortSignal; abort(): void } {
  const controller = new AbortController()
  return { signal: controller.signal, abort: () => controller.abort() }
}

function rangeOf(headers: IncomingMessage['headers']): string {
  return [headers.range, headers['content-range']].filter((range) => range !== undefined).join(' ')
}

async function pass(exchange: Exchange): Promise<void> {
  const upstream = exchange.open()
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    upstream.once('response', resolve)
    upstream.on('error', reject)
  })
  const sent = passRequest(exchange, upstream)
  // An answer may come before a request is whole, and must not wait for the rest of it.
  const first = await Promise.race([sent, answered])
  if (first === 'broken') return
  const answer = await answered
  const repeat = exchange.find('repeat')
  if (repeat === undefined || !exchange.claim(repeat)) return await passAnswer(exchange, answer)

  exchange.note(`${answer.statusCode}`)
  await drain(answer)
  const again = exchange.open()
  const body = await sent
  again.end(body === 'broken' ? undefined : body)
  const [second] = (await once(again, 'response')) as [IncomingMessage]
  await passAnswer(exchange, second)
}

/** Passes a body on. @returns the body, as far as it is needed to send it again */
async function passRequest(exchange: Exchange, upstream: ClientRequest): Promise<Buffer | 'broken'> {
  const { incoming, find, claim } = exchange
  const fault = find('cut-request', 'stall-request')
  const keeps = find('repeat') !== undefined
  const kept: Buffer[] = []
  let passed = 0
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    passed += chunk.length
    if (keeps) kept.push(chunk)
    await write(upstream, chunk)
    if (fault === undefined || passed <= (fault.after ?? 0) || !claim(fault)) continue
    await sleep(FLUSH_MS)
    incoming.socket.destroy()
    if (fault.kind === 'cut-request') upstream.destroy()
    return 'broken'
  }
  upstream.end()
  return Buffer.concat(kept)
}

async function passAnswer({ incoming, outgoing, find, claim, note }: Exchange, answer: IncomingMessage) {
  note(`${answer.statusCode} ${answer.headers.range ?? ''}`)
  const lost = find('lose-answer')
  if (lost !== undefined && claim(lost)) {
    await drain(answer)
    incoming.socket.destroy()
    return
  }
  const fault = find('cut-answer', 'stall-answer')
  outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
  let passed = 0
  answer.on('error', () => outgoing.destroy())
  for await (const chunk of answer.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    passed += chunk.length
    await write(outgoing, chunk)
    if (fault === undefined || passed <= (fault.after ?? 0) || !claim(fault)) continue
    await sleep(FLUSH_MS)
    incoming.socket.destroy()
    if (fault.kind === 'cut-answer') answer.destroy()
    return
  }
  outgoing.end()
}

async function write(stream: ClientRequest | ServerResponse, chunk: Buffer): Promise<void> {
  if (stream.write(chunk)) return
  const done = new AbortController()
  const { signal } = done
  await Promise.race([once(stream, 'drain', { signal }), once(stream, 'close', { signal })])
  done.abort()
}

async function drain(answer: IncomingMessage): Promise<void> {
  for await (const _ of answer);
}
