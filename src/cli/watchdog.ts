import { setTimeout as sleep } from 'node:timers/promises'

/** What is watched, and who is notified. */
export interface Watched {
  /** Resolves once everything has answered, and does not while something hangs. May reject. */
  answers(): Promise<void>
  /** Notifies the watchdog that everything works. */
  notify(): void
}

const RETRY_MS = 1_000
/** A timer that is set to more fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

/**
 * Notifies a watchdog at half of its interval for as long as everything works.
 *
 * @param time the interval of the watchdog: it acts after this many milliseconds without a notification
 * @returns a function that ends it
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
  // It ends only when it is stopped.
  feed().catch(() => {})
  return () => ending.abort()
}

const yes = () => true
const no = () => false
