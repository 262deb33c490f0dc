import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { serveMetrics } from '../http/metrics-server.ts'
import { openMetricsListening } from './listening.ts'
import type { Metrics } from './metrics.ts'

/** The metrics of a server, and the listener on which they are served if they have one. */
export interface Metering {
  readonly metrics: Metrics
  close(): void
}

/**
 * Begins to measure, and listens on the address of `--metrics-listen` if there is one.
 *
 * @param droppedLines how many log lines were dropped since the start
 * @returns undefined if the settings do not ask for metrics; nothing is counted then
 * @throws ConfigError if a Unix socket can't be used, or the error of listening, such as EADDRINUSE
 */
export async function openMetering(
  config: Config,
  log: Logger,
  droppedLines: () => number,
): Promise<Metering | undefined> {
  const { metrics: onMain, metricsListen: place } = config
  if (onMain === 'off' && place === undefined) return undefined
  const metrics = await (await import('./metrics.ts')).Metrics.open(droppedLines)
  if (place === undefined) return { metrics, close() {} }
  const { listener, url } = await openMetricsListening(place, config, log)
  log.info({ url: `${url}/metrics` }, 'metrics are served')
  return { metrics, close: serveMetrics(listener, () => metrics.text()).close }
}
