import type { Socket } from 'node:net'
import { type ErrorId, RegistryError } from '../oci/error.ts'
import type { RequestObserver } from './answered-request.ts'
import { STATUS_CODES } from './node-http.ts'
import { connectionOf } from './node-request.ts'
import type { OriginReader } from './request-origin.ts'
import { complete, errorResponse } from './respond.ts'

/** How long a connection that will end may take for its last answer. */
const MAX_FAREWELL_MS = 60_000

/** Writes an error answer to a connection whose input is not a valid request, and ends it. */
export type Refuse = (refusal: ErrorId | RegistryError, socket: Socket) => void

/** Makes the function that refuses what is not a valid request. */
export function refuser(readOrigin: OriginReader, observer: RequestObserver): Refuse {
  return (refusal, socket) => {
    if (!socket.writable) return
    const error = refusal instanceof RegistryError ? refusal : new RegistryError(refusal)
    const { address, requestId } = readOrigin(connectionOf(socket), () => undefined)
    const { status, headers, body } = complete(errorResponse(error), undefined, requestId)
    const lines = Object.entries({ ...headers, Connection: 'close' }).map(
      ([name, value]) => `${name}: ${value}\r\n`,
    )
    socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n`)
    const bytes = body?.type === 'bytes' ? body.bytes : new Uint8Array()
    socket.write(bytes)
    socket.setTimeout(MAX_FAREWELL_MS, () => socket.destroy())
    socket.destroySoon()
    observer.observe({
      requestId,
      address,
      status,
      error: error.id,
      received: 0,
      sent: bytes.length,
      milliseconds: 0,
      isWhole: true,
    })
  }
}
