import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'
import type { Command, Outcome } from '../command.ts'
import { type CommitResult, describe } from './writer.ts'
import type { WriterAnswer, WriterRequest } from './writer-thread.ts'

/** Sends commits to where the writer is. */
export interface WriterClient {
  commit(commands: readonly Command[]): Promise<Outcome[]>
  close(): Promise<void>
}

/** The store failed while it did commands; none of them has happened. `code` is `ENOSPC` if it is full. */
export class CommitError extends Error {
  override readonly name = 'CommitError'
  readonly code: string

  constructor({ message, code }: { message: string; code: string }) {
    super(message)
    this.code = code
  }
}

/** The outcomes of a result. @throws CommitError if the store failed */
export function outcomesOf(result: CommitResult): Outcome[] {
  if ('error' in result) throw new CommitError(result.error)
  return result.outcomes
}

const CLOSED = { message: 'the metadata store is closed', code: 'ERR_CLOSED' }
const STOPPED = { message: 'the metadata writer stopped', code: 'ERR_WRITER_STOPPED' }

/** A writer on a thread of its own. If the thread dies, what it has not answered rejects, and the next commit starts another. */
export function writerThread(path: string): WriterClient {
  const client = new ThreadClient(path)
  return { commit: (commands) => client.commit(commands), close: () => client.close() }
}

interface Waiting {
  resolve(outcomes: Outcome[]): void
  reject(error: unknown): void
}

class ThreadClient {
  readonly #path: string
  readonly #waiting = new Map<number, Waiting>()
  #next = 0
  #closed = false
  #thread: { port: MessagePort; ended: Promise<void> } | undefined
  #outbox: WriterRequest['commits'] = []

  constructor(path: string) {
    this.#path = path
  }

  async commit(commands: readonly Command[]): Promise<Outcome[]> {
    if (this.#closed) throw new CommitError(CLOSED)
    const request = { id: this.#next++, commands: commands.map(withOwnBytes) }
    // One message for all that is committed in this turn.
    if (this.#outbox.length === 0) queueMicrotask(() => this.#send())
    this.#outbox.push(request)
    return await new Promise((resolve, reject) => this.#waiting.set(request.id, { resolve, reject }))
  }

  async close(): Promise<void> {
    this.#closed = true
    // What was committed in this very turn is sent by then.
    await Promise.resolve()
    if (this.#thread === undefined) return
    this.#thread.port.postMessage('close')
    await this.#thread.ended
  }

  #send(): void {
    const commits = this.#outbox
    this.#outbox = []
    try {
      this.#thread ??= this.#start()
      this.#thread.port.postMessage({ commits } satisfies WriterRequest, commits.flatMap(ownBuffers))
    } catch (error) {
      this.#settle({ results: commits.map(({ id }) => ({ id, result: { error: describe(error) } })) })
    }
  }

  #start(): { port: MessagePort; ended: Promise<void> } {
    const channel = new MessageChannel()
    const worker = new Worker(new URL('./writer-thread.ts', import.meta.url), {
      // Not those of a host program, which may say how its own main file is to be read.
      execArgv: [],
      workerData: { port: channel.port2, path: this.#path },
      transferList: [channel.port2],
    })
    channel.port1.on('message', (answer: WriterAnswer) => this.#settle(answer))
    let cause: unknown
    worker.on('error', (error) => {
      cause = error
    })
    const ended = new Promise<void>((resolve) => {
      worker.on('exit', () => {
        // What it answered before it died has happened.
        for (let rest = receive(channel.port1); rest; rest = receive(channel.port1)) this.#settle(rest)
        channel.port1.close()
        this.#thread = undefined
        this.#failAll(cause)
        resolve()
      })
    })
    return { port: channel.port1, ended }
  }

  #settle({ results }: WriterAnswer): void {
    for (const { id, result } of results) {
      const waiting = this.#waiting.get(id)
      this.#waiting.delete(id)
      if ('error' in result) waiting?.reject(new CommitError(result.error))
      else waiting?.resolve(result.outcomes)
    }
  }

  #failAll(cause: unknown): void {
    const error = new CommitError(STOPPED)
    error.cause = cause
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}

function receive(port: MessagePort): WriterAnswer | undefined {
  return receiveMessageOnPort(port)?.message as WriterAnswer | undefined
}

/** Bytes cross to the thread by transfer; a view of a shared pool must be copied first, or the whole pool would be cloned. */
function withOwnBytes(command: Command): Command {
  const bytes = bytesOf(command)
  if (bytes === undefined) return command
  const own = new Uint8Array(bytes)
  return command.type === 'putManifest'
    ? { ...command, bytes: own }
    : ({ ...command, content: { bytes: own } } as Command)
}

function bytesOf(command: Command): Uint8Array | undefined {
  if (command.type === 'putManifest') return command.bytes
  return command.type === 'putBlob' || command.type === 'saveUpload' ? command.content.bytes : undefined
}

function ownBuffers({ commands }: WriterRequest['commits'][number]): ArrayBuffer[] {
  return commands.flatMap((command) => {
    const bytes = bytesOf(command)
    return bytes === undefined ? [] : [bytes.buffer as ArrayBuffer]
  })
}
