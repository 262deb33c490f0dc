import { constants, fstatSync, openSync, type Stats, write, writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { MessageChannel, type MessagePort, type Transferable } from 'node:worker_threads'

/** How many bytes of lines may wait to be written, over all threads. Further lines are dropped and counted. */
export const MAX_WAITING = 1024 * 1024

const MAX_PAUSE_MS = 100
const MAX_GATHERED = 64 * 1024
const LINE_FEED = Buffer.from('\n')
const PENDING = 0
const DROPPED = 1
const DROPPED_EVER = 2

/** Takes one or more whole lines, each with its line feed. Never blocks, never throws. */
export interface LineOutput {
  write(lines: string): void
}

/** What another thread needs to write to the log of this one; see {@link threadOutput}. */
export interface SharedLogOutput {
  port: MessagePort
  counters: Int32Array<SharedArrayBuffer>
}

/** Writes some of the bytes without blocking the thread. Rejects with EAGAIN while nothing can be written. @returns how many */
type Sink = (bytes: Uint8Array) => Promise<number>

/**
 * The log of a process. One thread writes the lines of all threads, so that lines never mix. If the reader does not read or the disk is
 * full, only log lines are lost: the size of waiting lines is bounded, and the number of dropped lines is logged when writing works again.
 */
export class LogOutput implements LineOutput {
  readonly #sink: Sink
  readonly #counters = new Int32Array(new SharedArrayBuffer(12))
  readonly #lines: Uint8Array[] = []
  #running: Promise<void> | undefined
  #isInsideLine = false

  /** @param descriptor of a file, pipe, terminal or socket that is open for writing */
  constructor(descriptor: number) {
    this.#sink = sinkOf(descriptor)
  }

  /** How many lines were dropped since the start. */
  get dropped(): number {
    return Atomics.load(this.#counters, DROPPED_EVER) >>> 0
  }

  write(lines: string): void {
    const bytes = Buffer.from(lines)
    if (reserve(this.#counters, bytes)) this.#take(bytes)
  }

  /** Lets another thread write to this log. The port must be transferred to it. */
  share(): SharedLogOutput & { transfer: Transferable[] } {
    const { port1, port2 } = new MessageChannel()
    // The sender has already counted it.
    port1.on('message', (line: Uint8Array) => this.#take(line))
    port1.unref()
    return { port: port2, counters: this.#counters, transfer: [port2] }
  }

  /**
   * Waits until all lines are written or dropped.
   *
   * @param milliseconds the longest time to wait
   * @returns whether nothing is left
   */
  async flush(milliseconds: number): Promise<boolean> {
    const end = performance.now() + milliseconds
    // The last lines of another thread may arrive after the end of that thread.
    while (Atomics.load(this.#counters, PENDING) > 0) {
      if (performance.now() >= end) return false
      await sleep(1)
    }
    return true
  }

  #take(line: Uint8Array): void {
    this.#lines.push(line)
    this.#running ??= this.#writeAll().finally(() => {
      this.#running = undefined
    })
  }

  async #writeAll(): Promise<void> {
    while (this.#lines.length > 0) {
      const dropped = Atomics.load(this.#counters, DROPPED)
      // The number of dropped lines is written before the next line.
      if (dropped > 0 && (await this.#writeLines(droppedLine(dropped))) === 0)
        Atomics.sub(this.#counters, DROPPED, dropped)
      const lines = this.#nextLines()
      const lost = await this.#writeLines(lines)
      countDropped(this.#counters, lost)
      Atomics.sub(this.#counters, PENDING, lines.length)
    }
  }

  #nextLines(): Uint8Array {
    let count = 0
    let size = 0
    while (count < this.#lines.length && size < MAX_GATHERED) size += this.#lines[count++]?.length ?? 0
    return Buffer.concat(this.#lines.splice(0, count))
  }

  /** @returns how many of the lines could not be written whole, and never will be */
  async #writeLines(lines: Uint8Array): Promise<number> {
    let rest = this.#isInsideLine ? Buffer.concat([LINE_FEED, lines]) : lines
    let pauseMs = 1
    while (rest.length > 0) {
      try {
        const written = await this.#sink(rest)
        if (written > 0) this.#isInsideLine = rest[written - 1] !== LINE_FEED[0]
        rest = rest.subarray(written)
        pauseMs = 1
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return countLines(rest)
        await pause(pauseMs)
        pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)
      }
    }
    return 0
  }
}

function countLines(bytes: Uint8Array): number {
  let count = 0
  for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) count++
  return count
}

const encoder = new TextEncoder()

/** The log of another thread, for writing to it from this thread. */
export function threadOutput({ port, counters }: SharedLogOutput): LineOutput {
  port.unref()
  return {
    write(lines) {
      const bytes = encoder.encode(lines)
      if (reserve(counters, bytes)) port.postMessage(bytes, [bytes.buffer])
    },
  }
}

/** Counts lines as waiting, or as dropped if too much is already waiting. */
function reserve(counters: Int32Array, lines: Uint8Array): boolean {
  const size = lines.length
  if (Atomics.add(counters, PENDING, size) + size <= MAX_WAITING) return true
  Atomics.sub(counters, PENDING, size)
  countDropped(counters, countLines(lines))
  return false
}

function countDropped(counters: Int32Array, lines: number): void {
  Atomics.add(counters, DROPPED, lines)
  Atomics.add(counters, DROPPED_EVER, lines)
}

function droppedLine(dropped: number): Uint8Array {
  const fields = {
    level: 40,
    time: Date.now(),
    dropped,
    msg: 'log lines were dropped because they could not be written',
  }
  return Buffer.from(`${JSON.stringify(fields)}\n`)
}

function pause(milliseconds: number): Promise<void> {
  // The timer does not keep a process alive that has nothing else to do.
  return new Promise((resolve) => setTimeout(resolve, milliseconds).unref())
}

function sinkOf(descriptor: number): Sink {
  const stats = fstatSync(descriptor)
  if (stats.isSocket()) return socketSink(descriptor)
  const other = reopenWithoutBlocking(descriptor, stats)
  if (other === undefined) return fileSink(descriptor)
  return async (bytes) => writeSync(other, bytes)
}

/**
 * A pipe or terminal blocks its writers while it is full. Other processes may share the descriptor and rely on that, so a second,
 * non-blocking one is opened. Undefined for files, which never block in this way, and on systems that do not offer this.
 */
function reopenWithoutBlocking(descriptor: number, stats: Stats): number | undefined {
  if (!stats.isFIFO() && !stats.isCharacterDevice()) return undefined
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants
  try {
    return openSync(`/dev/fd/${descriptor}`, O_WRONLY | O_NONBLOCK | O_NOCTTY)
  } catch {
    return undefined
  }
}

const writeFile = promisify(write)

/** Writes on another thread, since a disk may be slow or stalled. Only one write runs at a time, so at most one of these threads waits. */
function fileSink(descriptor: number): Sink {
  return async (bytes) => (await writeFile(descriptor, bytes)).bytesWritten
}

/** A service manager's journal, for example. */
function socketSink(descriptor: number): Sink {
  const socket = new Socket({ fd: descriptor, readable: false, writable: true })
  let failure: Error | undefined
  socket.on('error', (error) => {
    failure = error
  })
  socket.unref()
  return (bytes) =>
    new Promise((resolve, reject) => {
      if (failure !== undefined) return reject(failure)
      socket.write(bytes, (error) => (error ? reject(error) : resolve(bytes.length)))
    })
}
