import { closeSync, openSync } from 'node:fs'
import { constants } from 'node:os'

/** A signal that tells the program to end. */
export type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP'

/** What a command does about signals. */
export interface SignalHandlers {
  stop(signal: StopSignal): void
  /** Reloads what can be reloaded: SIGHUP of a program that was not started from a terminal. */
  reload(): void
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
const CHECK_PARENT_MS = 250
const ECHO_MS = 1_000
/** npm and npx set this for the programs that they start. */
const IS_UNDER_NPM = process.env.npm_lifecycle_event !== undefined

let handlers: SignalHandlers | undefined
let early: StopSignal[] = []
let hadTerminal = false
let stoppedAt: number | undefined

/**
 * Catches signals from now on, and keeps them for the command. The first process of a container never receives a signal for which it has no
 * handler, and loading the program takes some time.
 */
export function catchSignals(): void {
  // Checked now, since a terminal that is closed no longer exists when its signal arrives.
  hadTerminal = hasTerminal()
  for (const signal of SIGNALS) process.on(signal, take)
  // By default Node opens a port for a debugger.
  process.on('SIGUSR1', () => {})
}

/** Lets a command handle signals, including those that arrived before. */
export function handleSignals(commands: SignalHandlers): void {
  handlers = commands
  if (IS_UNDER_NPM) stopWithParent()
  for (const signal of early.splice(0)) take(signal)
}

/** For commands that leave signals to the system: they end the program. */
export function releaseSignals(): void {
  for (const signal of SIGNALS) process.off(signal, take)
  const [signal] = early
  if (signal !== undefined) process.exit(128 + constants.signals[signal])
}

function take(signal: StopSignal): void {
  if (handlers === undefined) early = [...early, signal]
  else if (signal === 'SIGHUP' && !hadTerminal) handlers.reload()
  else if (!isEcho()) handlers.stop(signal)
}

/**
 * A terminal sends its signal to all of its processes, and npm also forwards its own. Both count as one signal, not as a second, more
 * urgent one.
 */
function isEcho(): boolean {
  const now = performance.now()
  if (stoppedAt !== undefined) return IS_UNDER_NPM && now - stoppedAt < ECHO_MS
  stoppedAt = now
  return false
}

/** There may be a shell between npm or npx and the program, which does not forward signals but ends. */
function stopWithParent(): void {
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    if (stoppedAt === undefined) take('SIGTERM')
  }, CHECK_PARENT_MS)
  timer.unref()
}

/** Whether the program runs in a terminal, even if its output is redirected. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'))
    return true
  } catch {
    return false
  }
}
