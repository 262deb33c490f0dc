/** Someone for whom body memory is held: a body that is being received, or an answer that is being sent. */
export interface MemoryHolder {
  /** Bytes that its peer has sent or taken so far. */
  progress(): number
  /** Ends the connection, so that its memory becomes free. */
  cut(): void
}

/** What is held for one body; it must be given back. */
export interface MemoryShare {
  /** Waits until so many more bytes may be held. Resolves at once where there is room, and also once the share was given back. */
  take(bytes: number): Promise<void>
  /** Holds more bytes that are there already, even beyond the limit. */
  add(bytes: number): void
  /** Gives everything back; again does nothing. */
  giveBack(): void
}

interface Held {
  holder: MemoryHolder
  bytes: number
  /** Its progress when that was looked at last. */
  progress: number
  isWaiting: boolean
}

interface Waiter {
  held: Held
  bytes: number
  since: number
  go(): void
}

const CHECK_MS = 1_000
const PATIENCE_MS = 10_000
/** Who sends or takes less than this in a second gives way, where others have waited long. */
const MIN_PROGRESS = 64 * 1024

/**
 * Bounds the memory of all bodies together, in bytes. Who would exceed the limit waits, which keeps its peer from sending more. If
 * somebody has waited for ten seconds, some of those that make next to no progress are cut each second, those first that hold most, so that they
 * cannot keep all others waiting.
 */
export class BodyMemory {
  readonly #limit: number
  readonly #holders = new Set<Held>()
  readonly #waiting = new Set<Waiter>()
  #bytes = 0
  #timer: NodeJS.Timeout | undefined

  /** @param limit bytes that all bodies of this thread may hold together */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Whether more than half is held. */
  get isScarce(): boolean {
    return this.#bytes > this.#limit / 2
  }

  /** Begins to hold memory for a body. */
  open(holder: MemoryHolder): MemoryShare {
    const held: Held = { holder, bytes: 0, progress: 0, isWaiting: false }
    this.#holders.add(held)
    return {
      take: (bytes) => this.#take(held, bytes),
      add: (bytes) => this.#hold(held, bytes),
      giveBack: () => this.#giveBack(held),
    }
  }

  #hold(held: Held, bytes: number): void {
    if (!this.#holders.has(held)) return
    held.bytes += bytes
    this.#bytes += bytes
  }

  async #take(held: Held, bytes: number): Promise<void> {
    if (this.#waiting.size === 0 && this.#hasRoomFor(bytes)) return this.#hold(held, bytes)
    if (!this.#holders.has(held)) return
    held.isWaiting = true
    await new Promise<void>((go) => {
      this.#waiting.add({ held, bytes, since: performance.now(), go })
      this.#timer ??= setInterval(() => this.#check(), CHECK_MS).unref()
    })
  }

  /** What is larger than the limit is let in alone, or it would wait for ever. */
  #hasRoomFor(bytes: number): boolean {
    return this.#bytes === 0 || this.#bytes + bytes <= this.#limit
  }

  #giveBack(held: Held): void {
    if (!this.#holders.delete(held)) return
    this.#bytes -= held.bytes
    for (const waiter of this.#waiting) if (waiter.held === held) this.#admit(waiter)
    this.#admitWaiting()
  }

  #admitWaiting(): void {
    for (const waiter of this.#waiting) {
      if (!this.#hasRoomFor(waiter.bytes)) break
      this.#admit(waiter)
    }
    if (this.#waiting.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #admit(waiter: Waiter): void {
    this.#waiting.delete(waiter)
    waiter.held.isWaiting = false
    this.#hold(waiter.held, waiter.bytes)
    waiter.go()
  }

  #check(): void {
    const idle = [...this.#holders].filter((held) => {
      const before = held.progress
      held.progress = held.holder.progress()
      return held.bytes > 0 && held.progress - before < MIN_PROGRESS
    })
    const [first] = this.#waiting
    if (first === undefined || performance.now() - first.since < PATIENCE_MS) return
    // Who waits makes no progress for that reason; they give way only if nobody else can.
    const stalled = idle.filter(({ isWaiting }) => !isWaiting)
    const candidates = stalled.length > 0 ? stalled : idle
    candidates.sort((one, two) => two.bytes - one.bytes)
    for (const { holder } of candidates.slice(0, Math.ceil(candidates.length / 4))) holder.cut()
  }
}
