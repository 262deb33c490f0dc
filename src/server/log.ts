import { type Logger, pino } from 'pino'
import type { Config } from '../config.ts'
import type { LineOutput } from './log-output.ts'

/** The log of a thread: a line of JSON for each event. */
export function createLog({ logLevel }: Pick<Config, 'logLevel'>, output: LineOutput): Logger {
  const options = { level: logLevel, base: null, serializers: { error: pino.stdSerializers.err } }
  return pino(options, output)
}

/** Logs the warnings of Node.js on this thread. Node would write them to the standard error itself and wait for its reader. */
export function logWarnings(log: Logger): void {
  process.removeAllListeners('warning')
  process.on('warning', (warning) => {
    if (warning.name !== 'ExperimentalWarning') log.warn({ error: warning }, 'warning from Node.js')
  })
}
