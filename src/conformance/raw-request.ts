import type { Exchange } from './exchange.ts'
import type { RawAnswer } from './transport.ts'

const CRLF = '\r\n'

/** The bytes of a request. Only the version and the line ends are added. */
export function rawRequest(line: string, headers: readonly string[] = [], body = ''): string {
  return [`${line} HTTP/1.1`, ...headers, '', body].join(CRLF)
}

/** The Host header of a registry. */
export function hostHeader(origin: string): string {
  return `Host: ${new URL(origin).host}`
}

/** The statuses of all final answers in the received bytes of a connection. */
export function statusesOf(text: string): number[] {
  const found = Array.from(text.matchAll(/^HTTP\/1\.[01] (\d{3})\b/gm), ([, status]) => Number(status))
  return found.filter((status) => status >= 200)
}

/** Bytes for a separate connection, as an exchange without an answer yet. */
export function rawExchange(origin: string, bytes: string): Exchange {
  const [method = '', target = ''] = bytes.split(' ', 2)
  const url = URL.parse(target, origin)?.href ?? origin
  return { request: { method, target, url, raw: bytes } }
}

/** The received bytes of a separate connection as the answer of an exchange. The first final answer determines the status. */
export function answerOf({ statuses, text }: RawAnswer): Pick<Exchange, 'answer' | 'problem'> {
  const [status] = statuses
  if (status === undefined) return { problem: 'the connection ended without an answer' }
  return { answer: { status, headers: new Headers(), body: new TextEncoder().encode(text) } }
}
