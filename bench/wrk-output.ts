/** What wrk says at its end; times in milliseconds. */
export interface WrkOutput {
  requests: number
  seconds: number
  bytes: number
  median: number
  p99: number
  /** Answers whose status is not 2xx or 3xx. */
  refused: number
  /** Connections that failed, and reads and writes. */
  broken: number
}

/** Has wrk print one line of JSON at its end; it has no part in any request. */
export const REPORT_SCRIPT = `
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\\nREPORT {"requests":%d,"micros":%d,"bytes":%d,"median":%d,"p99":%d,"refused":%d,"broken":%d}\\n',
    summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
    e.status, e.connect + e.read + e.write + e.timeout))
end
`

/** Reads what wrk printed with {@link REPORT_SCRIPT}. @throws Error if there is no report in it */
export function parseWrkOutput(text: string): WrkOutput {
  const line = /^REPORT (\{.*\})$/m.exec(text)?.[1]
  if (line === undefined) throw new Error(`wrk gave no report: ${text.slice(-300)}`)
  const { micros, median, p99, ...rest } = JSON.parse(line) as Record<string, number>
  return {
    ...(rest as Omit<WrkOutput, 'seconds' | 'median' | 'p99'>),
    seconds: (micros ?? NaN) / 1e6,
    median: (median ?? NaN) / 1000,
    p99: (p99 ?? NaN) / 1000,
  }
}
