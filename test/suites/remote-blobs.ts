import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { openBytes, readAll } from '../../src/registry/stored-bytes.ts'
import type { BlobStore, ByteStream } from '../../src/storage/blob-store.ts'
import { memoryBlobStore } from '../../src/storage/memory.ts'

const PIECE = 64 * 1024

/** What becomes of the streams of a store. */
export interface Streaming {
  /** Called before each piece with the number of bytes that the stream has given; what it throws ends the stream. */
  beforePiece?(given: number): Promise<void> | void
  /** Changes what a stream gives, in spite of its length. */
  alter?(bytes: Uint8Array): Uint8Array
}

/** A blob store that gives bytes as streams, as a driver of a remote storage does. */
export interface StreamingBlobs extends BlobStore {
  /** How many streams were opened, and how many of them are not closed yet. */
  readonly streams: { opened: number; open: number }
  /** How many bytes all streams have given. */
  readonly given: number
  /** Resolves when no stream is open. */
  allClosed(): Promise<void>
}

/** Makes a store that gives all bytes as streams. */
export function streamingBlobStore({
  beforePiece,
  alter = (bytes) => bytes,
}: Streaming = {}): StreamingBlobs {
  const memory = memoryBlobStore()
  const streams = { opened: 0, open: 0 }
  const waiting: (() => void)[] = []
  let given = 0
  const streamOf = (bytes: Uint8Array): ByteStream => {
    const closing = Promise.withResolvers<void>()
    let isOpen = true
    streams.opened++
    streams.open++
    async function* pieces(): AsyncGenerator<Uint8Array> {
      const altered = alter(bytes)
      for (let at = 0; at < altered.length && isOpen; at += PIECE) {
        await Promise.race([beforePiece?.(at), closing.promise])
        const piece = altered.subarray(at, at + PIECE)
        given += piece.length
        yield piece
      }
    }
    return {
      type: 'stream',
      chunks: pieces(),
      length: bytes.length,
      async close() {
        if (!isOpen) return
        isOpen = false
        streams.open--
        closing.resolve()
        if (streams.open === 0) for (const tell of waiting.splice(0)) tell()
      },
    }
  }
  return {
    ...memory,
    streams,
    get given() {
      return given
    },
    async allClosed() {
      if (streams.open > 0) await new Promise<void>((resolve) => waiting.push(resolve))
    },
    async open(key, range, options) {
      const opened = await openBytes(memory, { key, range, ...options })
      return opened === undefined ? undefined : streamOf(await readAll(opened))
    },
  }
}

/** A blob store that lets clients get bytes from a server of its own, as from the addresses that an object storage signs. */
export interface AddressedBlobs extends BlobStore {
  /** The requests that its server got, such as `GET bytes=0-9`. */
  readonly asked: string[]
}

/** Makes a store whose server ends with the test. */
export async function addressedBlobStore(test: Pick<TestContext, 'after'>): Promise<AddressedBlobs> {
  const memory = memoryBlobStore()
  const asked: string[] = []
  const server = createServer(async ({ method, url = '', headers }, response) => {
    asked.push(`${method} ${headers.range ?? 'all'}`)
    const key = url.slice(1).split('?')[0] ?? ''
    const size = (await memory.size(key)) ?? 0
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? []
    const range =
      first === undefined ? { start: 0, end: size - 1 } : { start: Number(first), end: Number(last) }
    const bytes = await openBytes(memory, { key, range })
    response.statusCode = first === undefined ? 200 : 206
    response.end(bytes && (await readAll(bytes)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  test.after(() => server.close())
  const { port } = server.address() as AddressInfo
  return {
    ...memory,
    asked,
    async open(key, range, options) {
      const isStored = options?.mayBeElsewhere === true && (await memory.size(key)) !== undefined
      if (isStored) return { type: 'address', url: `http://127.0.0.1:${port}/${key}?signature=s` }
      return await memory.open(key, range, options)
    },
  }
}
