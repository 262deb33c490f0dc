import type { Socket } from 'node:net'
import { RegistryError } from '../oci/error.ts'
import type { Refuse } from './refusal.ts'

/** How long the TLS handshake, and its first byte, may take. */
export const HANDSHAKE_TIMEOUT_MS = 10_000

/** A method of HTTP. A handshake begins with a byte that is less than any letter. */
const REQUEST = /^[A-Z]{3}/

/**
 * Looks at the first bytes of a connection that should begin with a TLS handshake: it answers a plain HTTP request with the message that
 * the port uses HTTPS, which an HTTP client could not find out otherwise.
 *
 * @param connection nothing may have been read from it
 * @param accept receives the unchanged connection
 * @param refuse answers the HTTP request
 */
export function refusePlainRequest(connection: Socket, accept: () => void, refuse: Refuse): void {
  const onSilence = setTimeout(() => connection.destroy(), HANDSHAKE_TIMEOUT_MS)
  const onError = () => connection.destroy()
  connection.on('error', onError)
  connection.once('close', () => clearTimeout(onSilence))
  connection.once('readable', () => {
    clearTimeout(onSilence)
    const first: Buffer | null = connection.read()
    if (first === null) return void connection.destroy()
    if (REQUEST.test(first.toString('latin1', 0, 3))) return refusePlain(connection, refuse)
    connection.off('error', onError)
    connection.unshift(first)
    accept()
  })
}

function refusePlain(connection: Socket, refuse: Refuse): void {
  const message = 'this is an HTTPS port, but the request was sent over plain HTTP; use https://'
  refuse(new RegistryError('REQUEST_INVALID', { message }), connection)
  // Bytes that the client still sends are discarded, so that the answer is not lost to a reset.
  connection.resume()
}
