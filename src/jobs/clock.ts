/** The times that jobs run by. */
export interface JobClock {
  /** Milliseconds since the epoch. May be set forward and back. */
  now(): number
  /** Milliseconds since an arbitrary moment. Never set. */
  steady(): number
  /** Calls a function once, unless it is cancelled before. @returns a function that cancels it */
  after(milliseconds: number, act: () => void): () => void
  /** From 0 up to but not including 1. */
  random(): number
}

/** The clock of this machine. Its timers do not keep the process running. */
export const SYSTEM_CLOCK: JobClock = {
  now: () => Date.now(),
  steady: () => performance.now(),
  after(milliseconds, act) {
    const timer = setTimeout(act, milliseconds)
    timer.unref()
    return () => clearTimeout(timer)
  },
  random: () => Math.random(),
}
