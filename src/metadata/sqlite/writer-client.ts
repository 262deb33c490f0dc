import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
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

interface Waiting {
  resolve(outcomes: Outcome[]): void
  reject(error: unknown): void
}

const CLOSED = { message: 'the metadata store is closed', code: 'ERR_CLOSED' }

/** A writer on a thread of its own. If the thread dies, what it has not answered rejects, and the next commit starts another. */
export function writerThread(path: string): WriterClient {
  const waiting = new Map<number, Waiting>()
  let next = 0
  let closed = false
  let thread: { port: MessagePort; ended: Promise<void> } | undefined
  let outbox: WriterRequest['commits'] = []

  function start(): { port: MessagePort; ended: Promise<void> } {
    const channel = new MessageChannel()
    const worker = new Worker(new URL('./writer-thread.ts', import.meta.url), {
      workerData: { port: channel.port2, path },
      transferList: [channel.port2],
    })
    channel.port1.on('message', settle)
    let cause: unknown
    worker.on('error', (error) => {
      cause = error
    })
    const ended = new Promise<void>((resolve) => {
      worker.on('exit', () => {
        channel.port1.close()
        thread = undefined
        failAll(
          new CommitError({ message: 'the metadata writer stopped', code: 'ERR_WRITER_STOPPED' }),
          cause,
        )
        resolve()
      })
    })
    return { port: channel.port1, ended }
  }

  function settle({ results }: WriterAnswer): void {
    for (const { id, result } of results) {
      const { resolve, reject } = waiting.get(id) as Waiting
      waiting.delete(id)
      if ('error' in result) reject(new CommitError(result.error))
      else resolve(result.outcomes)
    }
  }

  function failAll(error: CommitError, cause: unknown): void {
    error.cause = cause
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
  }

  function send(): void {
    const commits = outbox
    outbox = []
    try {
      thread ??= start()
      thread.port.postMessage({ commits } satisfies WriterRequest, commits.flatMap(ownBuffers))
    } catch (error) {
      settle({ results: commits.map(({ id }) => ({ id, result: { error: describe(error) } })) })
    }
  }

  return {
    commit(commands) {
      if (closed) return Promise.reject(new CommitError(CLOSED))
      const id = next++
      if (outbox.length === 0) queueMicrotask(send)
      outbox.push({ id, commands: commands.map(withOwnBytes) })
      return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }))
    },
    async close() {
      closed = true
      // What was committed in this very turn is sent by then.
      await Promise.resolve()
      if (thread === undefined) return
      const { port, ended } = thread
      port.postMessage('close')
      await ended
    },
  }
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
