import type { ProbeAnswer } from './exchange.ts'
import type { Send } from './probe.ts'

const MAX_BODY = 32 * 1024 * 1024

/** Sends requests to one registry by fetch. Redirects are followed, as the specification lets a registry answer with them. */
export function openSession(origin: string): Send {
  return async ({ method, target, headers, body, streamed }) => {
    const url = target.startsWith('/') ? origin + target : target
    const response = await fetch(url, {
      method,
      ...(headers && { headers }),
      ...(body && { body: streamed ? streamOf(body) : (body as Uint8Array<ArrayBuffer>), duplex: 'half' }),
      signal: AbortSignal.timeout(60_000),
    })
    return { status: response.status, headers: response.headers, body: await readBody(response) }
  }
}

function streamOf(body: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(body)
      controller.close()
    },
  })
}

async function readBody(response: Response): Promise<ProbeAnswer['body']> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > MAX_BODY) throw new Error('the answer is longer than 32 MiB')
    chunks.push(chunk)
  }
  const whole = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole
}
