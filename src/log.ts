import { type Logger, pino } from 'pino'
import type { Config } from './config.ts'

/** The log of a thread, a line of JSON for each event on the standard error; several threads never mix their lines. */
export function createLog({ logLevel }: Pick<Config, 'logLevel'>): Logger {
  const options = { level: logLevel, base: null, serializers: { error: pino.stdSerializers.err } }
  return pino(options, pino.destination({ fd: 2, sync: true }))
}
