import type { MessagePort } from 'node:worker_threads'
import type { Command, Outcome } from '../command.ts'
import { type CommitResult, describe } from './writer.ts'
import type { WriterAnswer, WriterRequest } from './writer-thread.ts'

/** Sends commits to the writer. */
export interface WriterClient {
  commit(commands: readonly Command[]): Promise<Outcome[]>
  /** Waits for pending commits, and accepts no more. */
  close(): Promise<void>
}

/** The store failed while it executed commands, and none of them took effect. `code` is `ENOSPC` if the disk is full. */
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

/** The code of a {@link CommitError} after which it is not known yet whether the commands took effect. */
export const WRITER_STOPPED = 'ERR_WRITER_STOPPED'

const CLOSED = { message: 'the metadata store is closed', code: 'ERR_CLOSED' }
const STOPPED = { message: 'the metadata writer stopped before it answered', code: WRITER_STOPPED }
const ABSENT = { message: 'there is no metadata writer now', code: WRITER_STOPPED }
const MAX_ABSENCE_MS = 5_000
/** If a writer dies sooner than this, the next one will probably die too. */
const YOUNG_MS = 1_000

interface Waiting {
  resolve(outcomes: Outcome[]): void
  reject(error: unknown): void
}

/**
 * Sends commits through a port that a writer thread listens to. If the thread dies, unanswered commits reject. Later commits wait some
 * seconds for the port of the next thread.
 */
export class PortClient implements WriterClient {
  readonly #waiting = new Map<number, Waiting>()
  #port: MessagePort | undefined
  #outbox: WriterRequest['commits'] = []
  #next = 0
  #closed = false
  #attachedAt = performance.now()
  #maxAbsence = MAX_ABSENCE_MS
  #patience: NodeJS.Timeout | undefined
  #whenQuiet: (() => void) | undefined

  /** Continues through the port of a thread that has just started. */
  attach(port: MessagePort): void {
    this.#port?.close()
    if (this.#port !== undefined) this.#detach(this.#port)
    this.#port = port
    this.#attachedAt = performance.now()
    clearTimeout(this.#patience)
    this.#patience = undefined
    port.on('message', (answer: WriterAnswer) => this.#settle(answer))
    port.on('close', () => this.#detach(port))
    this.#send()
  }

  async commit(commands: readonly Command[]): Promise<Outcome[]> {
    if (this.#closed) throw new CommitError(CLOSED)
    const request = { id: this.#next++, commands: commands.map(withOwnBytes) }
    // One message for all commits of this turn.
    if (this.#outbox.length === 0) queueMicrotask(() => this.#send())
    this.#outbox.push(request)
    return await new Promise((resolve, reject) => this.#waiting.set(request.id, { resolve, reject }))
  }

  async close(): Promise<void> {
    this.#closed = true
    await new Promise<void>((resolve) => {
      this.#whenQuiet = resolve
      this.#tellIfQuiet()
    })
    this.#port?.close()
  }

  #send(): void {
    if (this.#outbox.length === 0) return
    if (this.#port === undefined) {
      this.#waitForPort()
      return
    }
    const commits = this.#outbox
    this.#outbox = []
    try {
      this.#port.postMessage({ commits } satisfies WriterRequest, commits.flatMap(ownBuffers))
    } catch (error) {
      this.#settle({ results: commits.map(({ id }) => ({ id, result: { error: describe(error) } })) })
    }
  }

  #waitForPort(): void {
    this.#patience ??= setTimeout(() => {
      this.#patience = undefined
      this.#reject(this.#outbox.splice(0), ABSENT)
    }, this.#maxAbsence)
  }

  /** All answers that it sent before it died have arrived by now. For the rest it is unknown whether the commands took effect. */
  #detach(port: MessagePort): void {
    if (port !== this.#port) return
    const isYoung = performance.now() - this.#attachedAt < YOUNG_MS
    this.#maxAbsence = isYoung ? YOUNG_MS : MAX_ABSENCE_MS
    this.#port = undefined
    const unsent = new Set(this.#outbox.map(({ id }) => id))
    this.#reject(
      [...this.#waiting.keys()].filter((id) => !unsent.has(id)).map((id) => ({ id })),
      STOPPED,
    )
    if (unsent.size > 0) this.#waitForPort()
  }

  #reject(commits: readonly { id: number }[], error: { message: string; code: string }): void {
    this.#settle({ results: commits.map(({ id }) => ({ id, result: { error } })) })
  }

  #settle({ results }: WriterAnswer): void {
    for (const { id, result } of results) {
      const waiting = this.#waiting.get(id)
      this.#waiting.delete(id)
      if ('error' in result) waiting?.reject(new CommitError(result.error))
      else waiting?.resolve(result.outcomes)
    }
    this.#tellIfQuiet()
  }

  #tellIfQuiet(): void {
    if (this.#waiting.size === 0) this.#whenQuiet?.()
  }
}

/** Bytes are transferred to the thread. A view of a shared pool must be copied first, otherwise the whole pool would be cloned. */
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
