import assert from 'node:assert/strict'

/** The connection broke before an answer came. */
export class BrokenError extends Error {
  override readonly name = 'BrokenError'
}

/** An answer that came whole. */
export interface Answer {
  status: number
  headers: Headers
  body: Buffer
}

/** What a request has beside its method and path. */
export interface RequestParts {
  headers?: Record<string, string>
  body?: Buffer
}

/** Sends requests to one server. */
export interface Client {
  /** @throws BrokenError if no answer came */
  send(method: string, path: string, parts?: RequestParts): Promise<Answer>
  /** Sends a request that must have this answer. @throws BrokenError if none came */
  expect(status: number, method: string, path: string, parts?: RequestParts): Promise<Answer>
}

/** Makes a client of a server. */
export function clientOf(url: string): Client {
  const send: Client['send'] = async (method, path, { headers = {}, body } = {}) => {
    try {
      const init = { method, headers, ...(body && { body: new Uint8Array(body) }) }
      const response = await fetch(url + path, init)
      const bytes = Buffer.from(await response.arrayBuffer())
      return { status: response.status, headers: response.headers, body: bytes }
    } catch (error) {
      throw new BrokenError(`${method} ${path}`, { cause: error })
    }
  }
  return {
    send,
    async expect(status, method, path, parts) {
      const answer = await send(method, path, parts)
      assert.equal(answer.status, status, `${method} ${path}: ${answer.body.toString().slice(0, 300)}`)
      return answer
    },
  }
}

/** The path of a `Location` header. */
export function locationOf({ headers }: Answer): string {
  return headers.get('location') ?? assert.fail('an answer has no Location')
}

/** How many bytes an upload has, by its `Range`; none and one can't be told apart, and no chunk of ours has one. */
export function offsetOf({ headers }: Answer): number {
  const end = Number(/^0-(\d+)$/.exec(headers.get('range') ?? '')?.[1])
  assert.ok(Number.isSafeInteger(end), `Range: ${headers.get('range')}`)
  return end === 0 ? 0 : end + 1
}
