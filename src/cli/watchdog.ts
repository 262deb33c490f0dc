import { setTimeout as sleep } from 'node:timers/promises'

/** What is watched, and who is told. */
export interface Watched {
  /** Resolves once everything has answered, and does not while something hangs. May reject. */
  answers(): Promise<void>
  /** Tells the watchdog that all is well. */
  notify(): void
}

const RETRY_MS = 1_000
/** A timer that is set to more goes off at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

/**
 * Tells a watchdog at half of its time that all is well, for as long as that is so.
 *
 * @param time after how many milliseconds without a word the watchdog acts
 * @returns what ends that
 */
export function feedWatchdog(time: number, { answers, notify }: Watched): () => void {
  const ending = new AbortController()
  const { signal } = ending
  const pause = (ms: number) => sleep(Math.min(ms, MAX_TIMER_MS), undefined, { signal, ref: false })
  const untilAnswered = async () => {
    while (!(await answers().then(yes, no))) await pause(Math.min(RETRY_MS, time / 10))
  }
  const feed = async () => {
    for (;;) {
      await pause(time / 2)
      await untilAnswered()
      if (!signal.aborted) notify()
    }
  }
  // Only its end ends it.
  feed().catch(() => {})
  return () => ending.abort()
}

const yes = () => true
const no = () => false
