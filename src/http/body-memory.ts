/** Someone for whom body memory is held: a body that is being received, or an answer that is being sent. */
export interface MemoryHolder {
  /** Bytes that its peer has sent or taken so far. */
  progress(): number
  /** Ends the connection, so that its memory becomes free. */
  cut(): void
}

/** What is held for one body; it must be given back. */
export class MemoryShare {
  readonly #memory: BodyMemory
  readonly holder: MemoryHolder
  bytes = 0
  /** The holder's progress when that was looked at last. */
  lastProgress = 0
  isWaiting = false
  isGivenBack = false

  constructor(memory: BodyMemory, holder: MemoryHolder) {
    this.#memory = memory
    this.holder = holder
  }

  /** Whether so much is held for all bodies that less is to be held for each. */
  get isScarce(): boolean {
    return this.#memory.isScarce
  }

  /** Waits until so many more bytes may be held. Resolves at once where there is room, and also once the share was given back. */
  async take(bytes: number): Promise<void> {
    await this.#memory.take(this, bytes)
  }

  /** Holds more bytes that are there already, even beyond the limit. */
  add(bytes: number): void {
    this.#memory.hold(this, bytes)
  }

  /** Gives everything back; again does nothing. */
  giveBack(): void {
    if (!this.isGivenBack) this.#memory.giveBack(this)
  }
}

interface Waiter {
  share: MemoryShare
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
 * somebody has waited for ten seconds, some of those that make next to no progress are cut each second, those first that hold most, so
 * that they cannot keep all others waiting.
 */
export class BodyMemory {
  readonly #limit: number
  /** Those that hold something or wait to. */
  readonly #shares = new Set<MemoryShare>()
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

  /** Begins to hold memory for a body, none at first. */
  open(holder: MemoryHolder): MemoryShare {
    return new MemoryShare(this, holder)
  }

  /** See {@link MemoryShare.add}. */
  hold(share: MemoryShare, bytes: number): void {
    if (share.isGivenBack) return
    this.#shares.add(share)
    share.bytes += bytes
    this.#bytes += bytes
  }

  /** See {@link MemoryShare.take}. */
  async take(share: MemoryShare, bytes: number): Promise<void> {
    if (this.#waiting.size === 0 && this.#hasRoomFor(bytes)) return this.hold(share, bytes)
    if (share.isGivenBack) return
    this.#shares.add(share)
    share.isWaiting = true
    await new Promise<void>((go) => {
      this.#waiting.add({ share, bytes, since: performance.now(), go })
      this.#timer ??= setInterval(() => this.#check(), CHECK_MS).unref()
    })
  }

  /** See {@link MemoryShare.giveBack}. */
  giveBack(share: MemoryShare): void {
    share.isGivenBack = true
    if (!this.#shares.delete(share)) return
    this.#bytes -= share.bytes
    for (const waiter of this.#waiting) if (waiter.share === share) this.#admit(waiter)
    this.#admitWaiting()
  }

  /** What is larger than the limit is let in alone, or it would wait for ever. */
  #hasRoomFor(bytes: number): boolean {
    return this.#bytes === 0 || this.#bytes + bytes <= this.#limit
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
    waiter.share.isWaiting = false
    this.hold(waiter.share, waiter.bytes)
    waiter.go()
  }

  #check(): void {
    const idle = [...this.#shares].filter((share) => {
      const before = share.lastProgress
      share.lastProgress = share.holder.progress()
      return share.bytes > 0 && share.lastProgress - before < MIN_PROGRESS
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
