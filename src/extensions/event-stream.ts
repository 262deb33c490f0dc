/** One server-sent event. @see WHATWG HTML, section 9.2 */
export interface ServerSentEvent {
  /** The text that a client that reconnects sends as `Last-Event-ID`; without line breaks. */
  id?: string
  /** Without line breaks. */
  event: string
  data: unknown
}

/** The media type of a stream of events. */
export const EVENT_STREAM = 'text/event-stream'

/** Headers that keep caches and proxies from holding events back. */
export const EVENT_STREAM_HEADERS = { 'Cache-Control': 'no-store, no-transform' }

/** Proxies, and this server's own watch over idle connections, wait at least one minute. */
const HEARTBEAT_MS = 15_000
const HEARTBEAT = Buffer.from(':\n\n')

/**
 * Writes events as they arrive. It also writes a comment, which clients ignore, at the beginning, so that clients see that the stream is
 * open, and whenever no event has arrived for some time.
 *
 * @param heartbeat after how many milliseconds without an event; 15 seconds if absent
 */
export async function* eventStream(
  events: AsyncIterable<ServerSentEvent>,
  heartbeat: number = HEARTBEAT_MS,
): AsyncGenerator<Uint8Array> {
  const iterator = events[Symbol.asyncIterator]()
  try {
    yield HEARTBEAT
    for (;;) {
      const next = upcoming(iterator)
      while (!(await next.comes(heartbeat))) yield HEARTBEAT
      const result = await next.result
      if (result.done) return
      yield formatEvent(result.value)
    }
  } finally {
    await iterator.return?.()
  }
}

interface Upcoming {
  result: Promise<IteratorResult<ServerSentEvent>>
  /** Whether it arrives within a number of milliseconds. */
  comes(milliseconds: number): Promise<boolean>
}

/** Asks for the next event. Waiting for it repeatedly does not leak memory, however long it takes to arrive. */
function upcoming(iterator: AsyncIterator<ServerSentEvent>): Upcoming {
  let isThere = false
  let wake = () => {}
  const result = iterator.next()
  const arrive = () => {
    isThere = true
    wake()
  }
  result.then(arrive, arrive)
  return {
    result,
    async comes(milliseconds) {
      if (isThere) return true
      let timer: NodeJS.Timeout | undefined
      await new Promise<void>((resolve) => {
        wake = resolve
        timer = setTimeout(resolve, milliseconds)
      })
      clearTimeout(timer)
      return isThere
    },
  }
}

function formatEvent({ id, event, data }: ServerSentEvent): Buffer {
  const lines = [
    ...(id === undefined ? [] : [`id: ${id}`]),
    `event: ${event}`,
    `data: ${JSON.stringify(data)}`,
  ]
  return Buffer.from(`${lines.join('\n')}\n\n`)
}
