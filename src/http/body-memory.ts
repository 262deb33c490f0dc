/** The owner of body memory: a body that is being received, or an answer that is being sent. */
export interface MemoryHolder {
  /** Bytes that its peer has sent or received so far. */
  progress(): number
  /** Ends the connection, so that its memory becomes free. */
  cut(): void
}

/** The memory that is held for one body. It must be given back. */
export class MemoryShare {
  readonly #memory: BodyMemory
  readonly holder: MemoryHolder
  bytes = 0
  /** The holder's progress at the last check. */
  lastProgress = 0
  isWaiting = false
  isGivenBack = false

  constructor(memory: BodyMemory, holder: MemoryHolder) {
    this.#memory = memory
    this.holder = holder
  }

  /** Whether all bodies together hold so much that each should hold less. */
  get isScarce(): boolean {
    return this.#memory.isScarce
  }

  /** Waits until the given number of additional bytes may be held. Resolves at once if there is room, and also when the share is given back. */
  async take(bytes: number): Promise<void> {
    await this.#memory.take(this, bytes)
  }

  /** Holds additional bytes if there is room for them now. @returns whether there was */
  takeNow(bytes: number): boolean {
    return this.#memory.takeNow(this, bytes)
  }

  /** Holds additional bytes that are already in memory, even beyond the limit. */
  add(bytes: number): void {
    this.#memory.hold(this, bytes)
  }

  /** Gives everything back. Further calls do nothing. */
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
/** A holder whose peer sends or receives less than this in a second gives way if others have waited long. */
const MIN_PROGRESS = 64 * 1024

/**
 * Bounds the memory of all bodies together, in bytes. A holder that would exceed the limit waits, which keeps its peer from sending more.
 * If a holder has waited for ten seconds, some of those that make almost no progress are cut each second, beginning with those that hold
 * most, so that they cannot keep all others waiting.
 */
export class BodyMemory {
  readonly #limit: number
  /** The shares that hold memory or wait for it. */
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

  /** Begins a share for a body. It holds nothing at first. */
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

  /** See {@link MemoryShare.takeNow}. */
  takeNow(share: MemoryShare, bytes: number): boolean {
    if (this.#waiting.size > 0 || !this.#hasRoomFor(bytes)) return false
    this.hold(share, bytes)
    return true
  }

  /** See {@link MemoryShare.take}. */
  async take(share: MemoryShare, bytes: number): Promise<void> {
    if (this.takeNow(share, bytes) || share.isGivenBack) return
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

  /** A request that is larger than the limit is granted alone; otherwise it would wait forever. */
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
    // Waiting holders make no progress because they wait, so they give way only if no other can.
    const stalled = idle.filter(({ isWaiting }) => !isWaiting)
    const candidates = stalled.length > 0 ? stalled : idle
    candidates.sort((one, two) => two.bytes - one.bytes)
    for (const { holder } of candidates.slice(0, Math.ceil(candidates.length / 4))) holder.cut()
  }
}
