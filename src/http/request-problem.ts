import type { IncomingMessage } from 'node:http'
import type { ErrorId } from '../oci/error.ts'

const MAX_HEADERS = 200

/** A body whose end a program in front of this one may see at another place. RFC 9112, sections 6.1 and 7 */
export function framingProblemOf({ headers, httpVersion }: IncomingMessage): ErrorId | undefined {
  const coding = headers['transfer-encoding']
  if (coding === undefined) return undefined
  if (httpVersion === '1.0') return 'REQUEST_INVALID'
  return coding.toLowerCase() === 'chunked' ? undefined : 'TRANSFER_CODING_UNSUPPORTED'
}

/** Problems that Node would refuse without an error body, or not at all. */
export function problemOf({ rawHeaders, headers, httpVersion }: IncomingMessage): ErrorId | undefined {
  if (rawHeaders.length > 2 * MAX_HEADERS) return 'HEADERS_TOO_LARGE'
  const hosts = countHosts(rawHeaders)
  if (hosts > 1 || (hosts === 0 && httpVersion === '1.1')) return 'REQUEST_INVALID'
  const { expect } = headers
  return expect === undefined || expect.toLowerCase() === '100-continue' ? undefined : 'EXPECTATION_FAILED'
}

function countHosts(rawHeaders: readonly string[]): number {
  let count = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? ''
    if (name.length === 4 && name.toLowerCase() === 'host') count++
  }
  return count
}
