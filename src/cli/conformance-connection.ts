import { connect, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { Undecided } from '../conformance/outcome.ts'
import { problemOf } from '../conformance/problem.ts'
import { statusesOf } from '../conformance/raw-request.ts'
import type { RawAnswer, SendRaw } from '../conformance/transport.ts'

/** How long nothing more must come. */
const QUIET_MS = 500
const SILENCE_MS = 10_000
/** How long an answer may take that comes in drops. */
const LONGEST_MS = 15_000
const MAX_BYTES = 1024 * 1024

/**
 * Opens connections of their own to a registry, and to nothing else, for bytes that need not be HTTP. Of an answer at most 1 MiB is read.
 *
 * @param longest how long an answer may take in all, in milliseconds
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
    // What fails before, as a handshake, says nothing about what was sent.
    socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => {
      connected = true
      socket.write(bytes, 'latin1')
      if (end) socket.end()
    })
    socket.setTimeout(SILENCE_MS, () =>
      giveUp('neither a response nor the end of the connection within 10 seconds'),
    )
    // A connection that is reset after an answer, or instead of one, is an end.
    socket.once('error', (error) => (connected ? done(true) : reject(new Undecided(problemOf(error)))))
    socket.once('close', () => {
      clearTimeout(timer)
      done(true)
    })
  })
}
