import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { Failure } from './case.ts'

/** What came back for bytes that need not be HTTP. */
export interface RawAnswer {
  /** The statuses of all final answers, in their order; none if the connection just ended. */
  statuses: readonly number[]
  text: string
  /** Whether the other side ended the connection. */
  ended: boolean
}

const CRLF = '\r\n'
/** How long nothing more must come. */
const QUIET_MS = 500
const SILENCE_MS = 10_000

/** The bytes of a request, as they are: nothing is added but a Host, unless there is one. */
export function rawRequest(line: string, headers: readonly string[] = [], body = ''): string {
  return [`${line} HTTP/1.1`, ...headers, '', body].join(CRLF)
}

/** The Host header of a registry. */
export function hostHeader(origin: string): string {
  return `Host: ${new URL(origin).host}`
}

/** Sends bytes on a connection of their own, and reads until that ends or nothing more comes. */
export async function sendRaw(
  origin: string,
  bytes: string,
  { end = false }: { end?: boolean } = {},
): Promise<RawAnswer> {
  const socket = open(new URL(origin))
  try {
    return await talk(socket, bytes, end)
  } finally {
    socket.destroy()
  }
}

function open({ protocol, hostname, port }: URL): Socket {
  const host = hostname.replace(/^\[|\]$/g, '')
  if (protocol === 'https:') return connectTls({ host, servername: host, port: Number(port || 443) })
  return connect({ host, port: Number(port || 80) })
}

function talk(socket: Socket, bytes: string, end: boolean): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    let text = ''
    let connected = false
    const done = (ended: boolean) => resolve({ statuses: statusesOf(text), text, ended })
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      text += chunk
      socket.setTimeout(QUIET_MS)
    })
    socket.once('connect', () => {
      connected = true
      socket.write(bytes, 'latin1')
      if (end) socket.end()
    })
    socket.setTimeout(SILENCE_MS, () =>
      text === ''
        ? reject(new Failure('an answer, or the end of the connection', 'nothing for 10 seconds'))
        : done(false),
    )
    // A connection that is reset behind an answer, or instead of one, is an end.
    socket.once('error', (error) =>
      connected ? done(true) : reject(new Failure('a connection', error.message)),
    )
    socket.once('close', () => done(true))
  })
}

function statusesOf(text: string): number[] {
  const found = Array.from(text.matchAll(/^HTTP\/1\.[01] (\d{3})\b/gm), ([, status]) => Number(status))
  return found.filter((status) => status >= 200)
}
