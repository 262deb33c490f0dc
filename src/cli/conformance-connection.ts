import { connect, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { Undecided } from '../conformance/outcome.ts'
import { problemOf } from '../conformance/problem.ts'
import { statusesOf } from '../conformance/raw-request.ts'
import type { RawAnswer, SendRaw } from '../conformance/transport.ts'

/** How long a connection must be silent before the answer counts as complete. */
const QUIET_MS = 500
const SILENCE_MS = 10_000
/** How long an answer that arrives in small pieces may take. */
const LONGEST_MS = 15_000
const MAX_BYTES = 1024 * 1024

/**
 * Opens separate connections, only to the registry, for bytes that need not be HTTP. At most 1 MiB of an answer is read.
 *
 * @param longest the longest total time of an answer, in milliseconds
 */
export function rawSender(origin: string, longest = LONGEST_MS): SendRaw {
  return async (bytes, { end = false } = {}) => {
    const socket = open(new URL(origin))
    try {
      return await talk(socket, bytes, { end, longest })
    } finally {
      socket.destroy()
    }
  }
}

function open({ protocol, hostname, port }: URL): Socket {
  const host = hostname.replace(/^\[|\]$/g, '')
  // A server name is never an address: RFC 6066, section 3.
  const name = isIP(host) === 0 && { servername: host }
  if (protocol === 'https:') return connectTls({ host, ...name, port: Number(port || 443) })
  return connect({ host, port: Number(port || 80) })
}

function talk(
  socket: Socket,
  bytes: string,
  { end, longest }: { end: boolean; longest: number },
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    let text = ''
    let connected = false
    const done = (ended: boolean) => resolve({ statuses: statusesOf(text), text, ended })
    const giveUp = (problem: string) => (text === '' ? reject(new Undecided(problem)) : done(false))
    const timer = setTimeout(() => giveUp(`no response within ${longest / 1000} seconds`), longest)
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      text = (text + chunk).slice(0, MAX_BYTES)
      if (text.length === MAX_BYTES) done(false)
      socket.setTimeout(QUIET_MS)
    })
    // An earlier failure, such as a failed handshake, says nothing about the sent bytes.
    socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => {
      connected = true
      socket.write(bytes, 'latin1')
      if (end) socket.end()
    })
    socket.setTimeout(SILENCE_MS, () =>
      giveUp('neither a response nor the end of the connection within 10 seconds'),
    )
    // A connection that is reset after an answer, or instead of one, counts as ended.
    socket.once('error', (error) => (connected ? done(true) : reject(new Undecided(problemOf(error)))))
    socket.once('close', () => {
      clearTimeout(timer)
      done(true)
    })
  })
}
