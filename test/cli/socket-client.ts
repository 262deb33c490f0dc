import { type IncomingHttpHeaders, request } from 'node:http'

/** An answer, read whole. */
export interface SocketAnswer {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
}

/** What is sent; the host is `localhost` if no other is given. */
export interface SocketRequest {
  method?: string
  headers?: Record<string, string>
  body?: Uint8Array | string
}

/** Sends a request over a Unix socket, on a connection of its own. */
export function askSocket(
  socketPath: string,
  path: string,
  { method = 'GET', headers = {}, body = '' }: SocketRequest = {},
): Promise<SocketAnswer> {
  const length = { Host: 'localhost', 'Content-Length': Buffer.byteLength(body), ...headers }
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, path, method, headers: length, agent: false }, async (response) => {
      try {
        const chunks = await response.toArray()
        const { statusCode: status = 0, headers: answered } = response
        resolve({ status, headers: answered, body: Buffer.concat(chunks) })
      } catch (error) {
        reject(error)
      }
    })
    sent.on('error', reject).end(body)
  })
}

/** Pushes a blob over a Unix socket. @returns the path it can be pulled from */
export async function pushBlobBySocket(
  socketPath: string,
  bytes: Uint8Array,
  digest: string,
): Promise<string> {
  const begun = await askSocket(socketPath, '/v2/app/blobs/uploads/', { method: 'POST' })
  const upload = `${begun.headers.location}?digest=${digest}`
  const closed = await askSocket(socketPath, upload, { method: 'PUT', body: bytes })
  if (closed.status !== 201) throw new Error(`${closed.status}: ${closed.body}`)
  return closed.headers.location ?? ''
}
