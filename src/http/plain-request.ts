import type { Socket } from 'node:net'
import { RegistryError } from '../oci/error.ts'
import { writeRefusal } from './connection-turns.ts'

/** How long a TLS handshake may take, and its first byte. */
export const HANDSHAKE_TIMEOUT_MS = 10_000

/** A method of HTTP; a handshake begins with a byte below those of letters. */
const REQUEST = /^[A-Z]{3}/

/**
 * Looks at the first bytes of a connection that should begin with a TLS handshake: to a plain HTTP request it answers that the port speaks
 * HTTPS, which a client of HTTP could not make out otherwise.
 *
 * @param connection must not be read yet
 * @param goOn gets the connection as it was
 */
export function refusePlainRequest(connection: Socket, goOn: () => void): void {
  const onSilence = setTimeout(() => connection.destroy(), HANDSHAKE_TIMEOUT_MS)
  const onError = () => connection.destroy()
  connection.on('error', onError)
  connection.once('close', () => clearTimeout(onSilence))
  connection.once('readable', () => {
    clearTimeout(onSilence)
    const first: Buffer | null = connection.read()
    if (first === null) return void connection.destroy()
    if (REQUEST.test(first.toString('latin1', 0, 3))) return refuse(connection)
    connection.off('error', onError)
    connection.unshift(first)
    goOn()
  })
}

function refuse(connection: Socket): void {
  const message = 'this is an HTTPS port, but the request was sent over plain HTTP; use https://'
  writeRefusal(new RegistryError('REQUEST_INVALID', { message }), connection)
  // What is sent meanwhile is thrown away, so that the answer is not lost to a reset.
  connection.resume()
}
