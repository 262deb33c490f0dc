import type { IncomingMessage } from 'node:http'
import type { MemoryShare } from './body-memory.ts'
import { GatheredPieces, MAX_GATHER_MS, MIN_PIECE } from './gathered-pieces.ts'
import { PeerGoneError } from './message.ts'
import type { ProgressWatch } from './progress.ts'

/** Reading from the connection pauses while this many bytes wait for the reader. */
const MAX_WAITING = 64 * 1024
/** A reader of a body gathers at most this much before writing it, unless it declares that it keeps the whole body. */
const MAX_KEPT = 256 * 1024
const MAX_DRAINED_BYTES = 256 * 1024 * 1024
const MAX_DRAINED_MS = 30_000

/** Whether a request has a body, according to its head. RFC 9112, section 6.3 */
export function hasBody({ headers }: IncomingMessage): boolean {
  const { 'content-length': length, 'transfer-encoding': coding } = headers
  return coding !== undefined || (length !== undefined && length !== '0')
}

/**
 * The body of a request. Arriving bytes are gathered here at once into pieces of a minimum size, since Node would keep each chunk of a
 * chunked body as an object of its own. While enough bytes wait for the reader, nothing is read from the connection.
 */
export class RequestBody {
  readonly #request: IncomingMessage
  readonly #memory: MemoryShare
  /** How many bytes the client has announced, if it did. */
  readonly #announced: number
  readonly #pieces: Uint8Array[] = []
  readonly #gathered = new GatheredPieces()
  #waiting = 0
  #received = 0
  #kept = 0
  #maxKept = MAX_KEPT
  #isDraining = false
  #isGivenUp = false
  #isPaused = false
  #end: { error?: unknown } | undefined
  #gathering: NodeJS.Timeout | undefined
  #onArrival = () => {}
  #onDrained = () => {}

  constructor(request: IncomingMessage, memory: MemoryShare) {
    this.#request = request
    this.#memory = memory
    this.#announced = Number(request.headers['content-length'] ?? Number.NaN)
    // Node would resume the connection after each piece, regardless of how much is waiting here.
    request._read = () => {}
    request
      .on('data', (piece: Buffer) => this.#receive(piece))
      .on('end', () => this.#finish({}))
      .on('error', (error) => this.#finish({ error }))
      // This happens to each request, nearly always after its end.
      .on('close', () => {
        if (this.#end === undefined) this.#finish({ error: new Error('the connection closed') })
      })
  }

  /** Counts the whole body as held in memory, for readers that do not write it as it arrives. */
  keepWhole(): void {
    this.#maxKept = Number.POSITIVE_INFINITY
  }

  /** Bytes that were received so far. */
  get received(): number {
    return this.#received
  }

  /** Whether the client must send something now. */
  get isWanted(): boolean {
    return this.#end === undefined && !this.#isPaused
  }

  /**
   * The body, piece by piece. If the client waits for `100 Continue`, that is sent when the first byte is needed, so that an early refusal
   * saves the transfer.
   *
   * @param sendContinue tells the client to continue
   * @param watch cuts a client that sends almost nothing while the server waits for it
   */
  async *chunks(sendContinue: () => void, watch: ProgressWatch): AsyncGenerator<Uint8Array> {
    sendContinue()
    let stopWatching: (() => void) | undefined
    try {
      while (!this.#isDraining) {
        const piece = this.#next()
        if (piece !== undefined) {
          const more = this.#keptOf(piece)
          if (more > 0 && !this.#memory.takeNow(more)) await this.#memory.take(more)
          yield piece
        } else if (this.#end === undefined) {
          stopWatching ??= this.#watchBy(watch)
          await this.#arrival()
        } else if ('error' in this.#end)
          throw new PeerGoneError('the client closed the connection', { cause: this.#end.error })
        else return
      }
      if (this.#isGivenUp) throw new PeerGoneError('nobody waits for the answer any more')
    } finally {
      stopWatching?.()
    }
  }

  /** Makes the body fail for its reader, instead of ending at the point from which it is drained. */
  giveUp(): void {
    this.#isGivenUp = true
  }

  /** Discards the rest of the body, for a bounded time and number of bytes. */
  drain(maxSilence: number): Promise<void> {
    this.#isDraining = true
    this.#pieces.length = 0
    this.#gathered.take()
    this.#resume()
    this.#onArrival()
    const limit = this.#received + MAX_DRAINED_BYTES
    return new Promise((resolve) => {
      const stop = () => {
        clearTimeout(silence)
        clearTimeout(whole)
        resolve()
      }
      const silence = setTimeout(stop, maxSilence)
      const whole = setTimeout(stop, MAX_DRAINED_MS)
      this.#onDrained = () => {
        silence.refresh()
        if (this.#end !== undefined || this.#received > limit) stop()
      }
      if (this.#end !== undefined) stop()
    })
  }

  #receive(piece: Buffer): void {
    this.#received += piece.length
    if (this.#isDraining) return void this.#onDrained()
    this.#store(piece)
    if (this.#waiting >= MIN_PIECE || this.#isAllHere) this.#onArrival()
    else this.#gatherShortly()
  }

  /** Whether the body is complete according to its announced length. Node reports that only after it has looked for the next request. */
  get #isAllHere(): boolean {
    return this.#received === this.#announced
  }

  #gatherShortly(): void {
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined
      this.#takeGathered()
      this.#onArrival()
    }, MAX_GATHER_MS)
  }

  #store(piece: Buffer): void {
    this.#waiting += piece.length
    // A small body that arrives in one piece needs no copy.
    if (piece.length >= MIN_PIECE || piece.length === this.#announced) {
      this.#takeGathered()
      this.#pieces.push(piece)
    } else this.#copy(piece)
    if (this.#waiting < MAX_WAITING) return
    this.#isPaused = true
    // Pauses each time, since a turn that begins on the connection resumes it.
    this.#request.socket.pause()
  }

  #copy(piece: Buffer): void {
    if (!this.#gathered.hasRoomFor(piece)) this.#takeGathered()
    this.#gathered.add(piece)
  }

  /** Queues the copied bytes for the reader. */
  #takeGathered(): void {
    if (this.#gathered.length > 0) this.#pieces.push(this.#gathered.take())
  }

  #next(): Uint8Array | undefined {
    const isLast = this.#end !== undefined || this.#isAllHere
    if (this.#pieces.length === 0 && (isLast || this.#gathered.length >= MIN_PIECE)) this.#takeGathered()
    const piece = this.#pieces.shift()
    if (piece === undefined) return undefined
    this.#waiting -= piece.length
    if (this.#waiting < MAX_WAITING) this.#resume()
    return piece
  }

  #resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#request.socket.resume()
  }

  #watchBy(watch: ProgressWatch): () => void {
    return watch.add({
      progress: () => this.#received,
      isExpected: () => this.isWanted,
      cut: () => this.#request.socket.destroy(),
    })
  }

  /** How many more bytes the reader keeps in memory once it has a piece. */
  #keptOf({ length }: Uint8Array): number {
    const more = Math.min(length, this.#maxKept - this.#kept)
    this.#kept += more
    return more
  }

  #arrival(): Promise<void> {
    return new Promise((resolve) => {
      this.#onArrival = resolve
    })
  }

  #finish(end: { error?: unknown }): void {
    this.#end ??= end
    clearTimeout(this.#gathering)
    this.#onArrival()
    this.#onDrained()
  }
}
