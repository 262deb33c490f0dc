import { BroadcastChannel } from 'node:worker_threads'
import { RegistryError } from '../oci/error.ts'

const SLOTS = 1024
const HEADER_BYTES = 8
const STOP_MS = 2_000
const RECORD_MS = 1_000
const ASK_AGAIN_MS = 500
const POLL_MS = 20

/** What the threads of a process need to know of each other's writers; can be sent to another thread. */
export interface SharedWriters {
  /** The name of a channel on which threads ask each other. */
  channel: string
  /** A ticket counter, followed by the number of writers of each thread for each slot. A thread without writers in a slot is not asked. */
  memory: SharedArrayBuffer
}

/**
 * Makes the state that threads share.
 *
 * @param channel a name that nothing else in the process uses
 * @param places how many threads take part
 */
export function sharedWriters(channel: string, places: number): SharedWriters {
  return { channel, memory: new SharedArrayBuffer(HEADER_BYTES + 4 * SLOTS * places) }
}

/** Forgets the writers of a thread that has ended. */
export function forgetWriters({ memory }: SharedWriters, place: number): void {
  for (let slot = 0; slot < SLOTS; slot++) Atomics.store(countersOf(memory), place * SLOTS + slot, 0)
}

function countersOf(memory: SharedArrayBuffer): Int32Array {
  return new Int32Array(memory, HEADER_BYTES)
}

/** The error of a request that another one has overtaken. */
export function takenOver(): RegistryError {
  return new RegistryError('UPLOAD_TAKEN_OVER')
}

/** A request that writes to an upload, as later requests see it. */
export class UploadWriter {
  readonly id: string
  /** Requests take tickets in the order in which they arrive. */
  readonly ticket: bigint
  readonly ended: Promise<void>
  readonly end: () => void
  /** Where the threads of the process count this writer. */
  readonly slot: number
  /** Whether a newer request wants the upload. */
  isStopped = false
  /** Whether the body has ended and the upload is being closed, which may take long and needs nothing more from the client. */
  isClosing = false
  /** Called when the writer is asked for something while it waits for its body. */
  onAsked: () => void = () => {}
  #recordings: (() => void)[] = []

  constructor(id: string, ticket: bigint) {
    this.id = id
    this.ticket = ticket
    this.slot = slotOf(id)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.ended = promise
    this.end = resolve
  }

  /** Whether another request waits until all received bytes are recorded. */
  get mustRecord(): boolean {
    return this.#recordings.length > 0
  }

  /** Tells the writer to end its body. */
  stop(): void {
    this.isStopped = true
    this.onAsked()
  }

  /** Asks the writer to record the bytes that it has received. Resolves when they are recorded or the writer has ended. */
  async record(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#recordings.push(resolve)
    this.onAsked()
    await Promise.race([promise, this.ended])
  }

  /** Reports that all received bytes are recorded. */
  recorded(): void {
    for (const resolve of this.#recordings.splice(0)) resolve()
  }
}

/** A request to the writers of another thread: to stop if they are older than the ticket, or to record what they have. */
type Question = { kind: 'stop'; id: string; ticket: bigint } | { kind: 'record'; id: string }

/** `closing` is an intermediate answer: the writer has stopped reading and needs more time. */
type Answer = 'done' | 'newer' | 'closing'

type Message = { from: number; to: number; number: number } & ({ question: Question } | { answer: Answer })

/**
 * The requests that write to uploads, in this thread and in the others of the process. If two requests write to one upload, the newer one
 * wins: the older one stops reading its body, saves what it has and releases the upload. If there is no other writer of an upload, which is
 * nearly always so, no message is sent.
 */
export class UploadWriters {
  readonly #writers = new Map<string, Set<UploadWriter>>()
  readonly #tickets: BigInt64Array
  readonly #counters: Int32Array
  readonly #place: number
  readonly #channel: BroadcastChannel | undefined
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  #questions = 0

  /**
   * @param shared what the threads of the process share; without it this thread is the only one
   * @param place the index of this thread among them
   */
  constructor(shared?: SharedWriters, place = 0) {
    const { memory } = shared ?? sharedWriters('', 1)
    this.#tickets = new BigInt64Array(memory, 0, 1)
    this.#counters = countersOf(memory)
    this.#place = place
    if (shared === undefined) return
    this.#channel = new BroadcastChannel(shared.channel)
    this.#channel.onmessage = (event) => this.#take((event as { data: Message }).data)
    this.#channel.unref()
  }

  /**
   * Writes to an upload, after all older writers have stopped or have not responded for two seconds.
   *
   * @param work receives whether all of them have confirmed that they stopped
   * @throws RegistryError UPLOAD_TAKEN_OVER if there is already a newer request
   */
  async write<T>(id: string, work: (writer: UploadWriter, allStopped: boolean) => Promise<T>): Promise<T> {
    const writer = this.#begin(id)
    try {
      const answers = await this.#askAll(
        { kind: 'stop', id, ticket: writer.ticket },
        { wait: STOP_MS, isOver: () => writer.isStopped },
      )
      if (writer.isStopped || answers.includes('newer')) throw takenOver()
      return await work(
        writer,
        answers.every((answer) => answer === 'done'),
      )
    } finally {
      this.#end(writer)
    }
  }

  /** Tells all writers of an upload to end, without waiting for them. */
  stop(id: string): void {
    const question = { kind: 'stop', id, ticket: Atomics.add(this.#tickets, 0, 1n) } as const
    void this.#askAll(question, { wait: 0, isOver: () => true })
  }

  /** Asks all writers of an upload to record what they have and continue. Waits for them for at most one second. */
  async record(id: string): Promise<void> {
    await this.#askAll({ kind: 'record', id }, { wait: RECORD_MS, isOver: () => false })
  }

  /** Stops communicating with the other threads. */
  close(): void {
    this.#channel?.close()
  }

  #begin(id: string): UploadWriter {
    const writer = new UploadWriter(id, Atomics.add(this.#tickets, 0, 1n))
    const writers = this.#writers.get(id) ?? new Set()
    writers.add(writer)
    this.#writers.set(id, writers)
    Atomics.add(this.#counters, this.#place * SLOTS + writer.slot, 1)
    return writer
  }

  #end(writer: UploadWriter): void {
    const { id } = writer
    const writers = this.#writers.get(id)
    writers?.delete(writer)
    if (writers?.size === 0) this.#writers.delete(id)
    Atomics.sub(this.#counters, this.#place * SLOTS + writer.slot, 1)
    writer.end()
  }

  /** @returns the answers; at once if nobody else writes to the upload, as is usual */
  #askAll(
    question: Question,
    patience: Patience,
  ): readonly (Answer | 'silent')[] | Promise<(Answer | 'silent')[]> {
    const others = this.#channel === undefined ? [] : this.#placesWith(slotOf(question.id))
    const isHere = this.#isAskedHere(question)
    if (others.length === 0 && !isHere) return []
    const asked = others.map((place) => this.#ask(place, question, patience))
    return Promise.all(isHere ? [this.#askHere(question, patience), ...asked] : asked)
  }

  /** Whether this thread has writers of the upload. The asking request may itself be one of them. */
  #isAskedHere(question: Question): boolean {
    for (const { ticket } of this.#writers.get(question.id) ?? []) {
      if (question.kind === 'record' || ticket !== question.ticket) return true
    }
    return false
  }

  /** The other threads that may have writers of an upload. Several uploads share a slot. */
  #placesWith(slot: number): number[] {
    const places: number[] = []
    for (let place = 0; place * SLOTS < this.#counters.length; place++) {
      if (place !== this.#place && this.#count(place, slot) > 0) places.push(place)
    }
    return places
  }

  #count(place: number, slot: number): number {
    return Atomics.load(this.#counters, place * SLOTS + slot)
  }

  async #askHere(question: Question, patience: Patience): Promise<Answer | 'silent'> {
    const { answer, older } = this.#answer(question)
    let isDone = false
    const done = answer.then((given) => {
      isDone = true
      return given
    })
    const silent = waitPatiently(patience, {
      isSettled: () => isDone,
      isClosing: () => older.some((writer) => writer.isClosing),
    })
    return await Promise.race([done, silent])
  }

  /** Asks a thread until it answers, turns out to have no such writers any more, or has been silent for too long. */
  async #ask(place: number, question: Question, patience: Patience): Promise<Answer | 'silent'> {
    const number = this.#questions++
    const slot = slotOf(question.id)
    let answer: Answer | undefined
    this.#waiting.set(number, (given) => {
      answer = given
    })
    const send = () => this.#send({ from: this.#place, to: place, number, question })
    send()
    await waitPatiently(patience, {
      askAgain: send,
      isSettled() {
        return answer !== undefined && answer !== 'closing'
      },
      isClosing() {
        const wasClosing = answer === 'closing'
        if (wasClosing) answer = undefined
        return wasClosing
      },
      isGone: () => this.#count(place, slot) === 0,
    })
    this.#waiting.delete(number)
    if (this.#count(place, slot) === 0) return 'done'
    return answer === undefined || answer === 'closing' ? 'silent' : answer
  }

  /** The answer of the writers of this thread after they have done what was asked. */
  #answer(question: Question): { answer: Promise<Answer>; older: UploadWriter[] } {
    const writers = [...(this.#writers.get(question.id) ?? [])]
    if (question.kind === 'record') {
      const recordings = writers.map((writer) => writer.record())
      return { answer: Promise.all(recordings).then(() => 'done' as const), older: [] }
    }
    const older = writers.filter(({ ticket }) => ticket < question.ticket)
    for (const writer of older) writer.stop()
    const isOvertaken = writers.some(({ ticket }) => ticket > question.ticket)
    if (isOvertaken) return { answer: Promise.resolve('newer'), older }
    const ended = Promise.all(older.map(({ ended }) => ended))
    return { answer: ended.then(() => 'done' as const), older }
  }

  #take(message: Message): void {
    if (message.to !== this.#place) return
    if ('answer' in message) return void this.#waiting.get(message.number)?.(message.answer)
    const { from, number } = message
    const reply = (answer: Answer) => this.#send({ from: this.#place, to: from, number, answer })
    const { answer, older } = this.#answer(message.question)
    if (older.some((writer) => writer.isClosing)) reply('closing')
    void answer.then(reply)
  }

  #send(message: Message): void {
    try {
      this.#channel?.postMessage(message)
    } catch {
      // The channel is closed, since the server is closing. Nothing waits for the answer any more.
    }
  }
}

/** How long to wait for writers, and what else ends the wait. */
interface Patience {
  /** Milliseconds without a sign of life. */
  wait: number
  isOver: () => boolean
}

interface Wait {
  isSettled: () => boolean
  /** Whether there was a sign of life since this was asked last. */
  isClosing: () => boolean
  isGone?: () => boolean
  askAgain?: () => void
}

function waitPatiently({ wait, isOver }: Patience, waiting: Wait): Promise<'silent'> {
  return new Promise((resolve) => {
    let lastSign = performance.now()
    let lastAsked = lastSign
    const check = () => {
      const now = performance.now()
      if (waiting.isClosing()) lastSign = now
      if (waiting.isSettled() || waiting.isGone?.() || isOver() || now - lastSign > wait) {
        clearInterval(timer)
        resolve('silent')
      }
      if (now - lastAsked < ASK_AGAIN_MS) return
      lastAsked = now
      waiting.askAgain?.()
    }
    const timer = setInterval(check, POLL_MS)
  })
}

/** The end of an id is a MAC, and so spreads evenly. */
function slotOf(id: string): number {
  return Number.parseInt(id.slice(-8), 16) % SLOTS
}
