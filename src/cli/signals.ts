import { closeSync, openSync } from 'node:fs'
import { constants } from 'node:os'

/** A signal that tells the program to end. */
export type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP'

/** What a command does about signals. */
export interface SignalHandlers {
  stop(signal: StopSignal): void
  /** Read again what can be read again: SIGHUP of a program that no terminal started. */
  reload(): void
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
const CHECK_PARENT_MS = 250
const ECHO_MS = 1_000
/** npm and npx say so to what they start. */
const IS_UNDER_NPM = process.env.npm_lifecycle_event !== undefined

let handlers: SignalHandlers | undefined
let early: StopSignal[] = []
let hadTerminal = false
let stoppedAt: number | undefined

/**
 * Catches signals from now on, and keeps them for the command. The first process of a container never gets a signal that it has no handler for,
 * and loading the program takes a moment.
 */
export function catchSignals(): void {
  // Asked now, since a terminal that is closed is gone when its signal comes.
  hadTerminal = hasTerminal()
  for (const signal of SIGNALS) process.on(signal, take)
  // Node would open a port for a debugger.
  process.on('SIGUSR1', () => {})
}

/** Lets a command handle signals, those that came before as well. */
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

/** A terminal sends its signal to all that runs in it, and npm passes its own on: that is one signal, not a second one that is in a hurry. */
function isEcho(): boolean {
  const now = performance.now()
  if (stoppedAt !== undefined) return IS_UNDER_NPM && now - stoppedAt < ECHO_MS
  stoppedAt = now
  return false
}

/** npm and npx can have a shell between them and the program, which passes no signal on but ends. */
function stopWithParent(): void {
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    if (stoppedAt === undefined) take('SIGTERM')
  }, CHECK_PARENT_MS)
  timer.unref()
}

/** Whether the program runs in a terminal, wherever its output goes. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'))
    return true
  } catch {
    return false
  }
}
