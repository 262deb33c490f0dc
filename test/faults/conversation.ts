import type { TestContext } from 'node:test'
import { connect, head, type RawResponse } from '../protocol/raw-request.ts'

/** What a request has beside its method and path. */
export interface Question {
  headers?: readonly string[]
  body?: Uint8Array | string
}

/** One connection, and on it one request after the other. */
export interface Conversation {
  /** Sends a request, such as `GET /v2/`, and waits for its answer. */
  ask(line: string, question?: Question): Promise<RawResponse>
  end(): void
}

/** Opens a connection: requests on several may be answered by several threads. */
export async function converse(test: Pick<TestContext, 'after'>, url: string): Promise<Conversation> {
  const connection = await connect(test, url)
  return {
    async ask(line, { headers = [], body } = {}) {
      const length = body === undefined ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]
      await connection.send(head(line, ...headers, ...length), body ?? '')
      return await connection.response({ toHead: line.startsWith('HEAD ') })
    },
    end: () => connection.destroy(),
  }
}

/** Opens several connections. */
export async function converseOften(
  test: Pick<TestContext, 'after'>,
  url: string,
  count: number,
): Promise<Conversation[]> {
  return await Promise.all(Array.from({ length: count }, () => converse(test, url)))
}

/** Does work for each number below a count, so many at a time. */
export async function eachBelow(
  count: number,
  atOnce: number,
  work: (index: number, lane: number) => Promise<void>,
): Promise<void> {
  let next = 0
  const lanes = Array.from({ length: atOnce }, async (_, lane) => {
    while (next < count) await work(next++, lane)
  })
  await Promise.all(lanes)
}
