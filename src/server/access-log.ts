import type { Logger } from 'pino'
import type { AnsweredRequest, RequestObserver } from '../http/answered-request.ts'
import type { CurrentConfig } from './current-config.ts'
import type { LineOutput } from './log-output.ts'

/** How long a line may wait for others, so that a thread writes many at once. */
const MAX_WAIT_MS = 100
/** How many characters of lines wait at most. */
const MAX_BATCH = 32 * 1024
const MAX_PATH = 1024
const MAX_USER_AGENT = 256
const INFO = 30

/** Operations that are only logged when they fail: they are called every few seconds. */
const QUIET: ReadonlySet<string | undefined> = new Set(['live', 'ready', 'metrics'])

/** The access log of a thread. */
export interface AccessLog extends RequestObserver {
  /** Writes the lines that still wait. */
  flush(): void
}

/**
 * Logs each request as a line of JSON, at the level info, unless the settings turn that off.
 *
 * @param output where the log of this thread is written; if absent, lines go through the logger, which costs several times as much
 */
export function openAccessLog(
  current: CurrentConfig,
  log: Logger,
  output: LineOutput | undefined,
): AccessLog {
  const batch = output === undefined ? loggerLines(log) : new LineBatch(output)
  return {
    get isActive() {
      return current.value.accessLog === 'on' && log.isLevelEnabled('info')
    },
    observe(answered) {
      if (!this.isActive) return
      if (!QUIET.has(answered.operation) || (answered.status ?? 500) >= 400) batch.add(lineOf(answered))
    },
    flush: () => batch.flush(),
  }
}

interface Lines {
  add(line: string): void
  flush(): void
}

/** Gathers lines, because passing each one to the thread that writes the log would cost more than making it. */
class LineBatch implements Lines {
  readonly #output: LineOutput
  #lines = ''
  #timer: NodeJS.Timeout | undefined

  constructor(output: LineOutput) {
    this.#output = output
  }

  add(line: string): void {
    this.#lines += line
    if (this.#lines.length >= MAX_BATCH) this.flush()
    else this.#timer ??= setTimeout(() => this.flush(), MAX_WAIT_MS).unref()
  }

  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#lines === '') return
    this.#output.write(this.#lines)
    this.#lines = ''
  }
}

/** Lines for the logger of a host program, which adds `level`, `time` and `msg` itself. */
function loggerLines(log: Logger): Lines {
  return {
    add(line) {
      const { level: _, time: __, msg, ...fields } = JSON.parse(line)
      log.info(fields, msg)
    },
    flush() {},
  }
}

/**
 * The line of a request. It is put together by hand, in half of the time that `JSON.stringify` takes. Ids, addresses, methods and
 * operations have no characters that JSON would escape.
 */
function lineOf(answered: AnsweredRequest): string {
  const { requestId, address, method, path, userAgent, operation, status, error } = answered
  const { received, sent, milliseconds, isWhole } = answered
  let line = `{"level":${INFO},"time":${Date.now()},"requestId":"${requestId}"`
  if (address !== undefined) line += `,"address":"${address}"`
  if (method !== undefined) line += `,"method":"${method}"`
  if (path !== undefined) line += `,"path":${JSON.stringify(path.slice(0, MAX_PATH))}`
  if (operation !== undefined) line += `,"operation":"${operation}"`
  if (status !== undefined) line += `,"status":${status}`
  if (error !== undefined) line += `,"reason":"${error}"`
  if (!isWhole) line += ',"aborted":true'
  line += `,"received":${received},"sent":${sent},"ms":${Math.round(milliseconds * 100) / 100}`
  if (userAgent !== undefined) line += `,"userAgent":${JSON.stringify(userAgent.slice(0, MAX_USER_AGENT))}`
  return `${line},"msg":"request"}\n`
}
