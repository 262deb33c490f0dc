import type { Registry } from 'prom-client'
import type { CommitBatches } from '../stores/stores.ts'
import { EXTENSIONS } from './request-server.ts'
import { DURATION_BOUNDS, type OperationCounts, ThreadCounters } from './thread-counters.ts'

/** A number of a metric. */
interface Sample {
  labels: Readonly<Record<string, string>>
  value: number
  /** The name of the part of a histogram. */
  metricName?: string
}

/** A metric as prom-client adds those of several threads up. */
interface Metric {
  name: string
  help: string
  type: 'counter' | 'gauge' | 'histogram'
  aggregator: 'sum'
  values: readonly Sample[]
}

/**
 * The metrics of a server. Threads only add numbers in memory. Labels, sums and text are made by prom-client when the metrics are read.
 */
export class Metrics {
  readonly #prometheus: typeof import('prom-client')
  readonly #droppedLines: () => number
  readonly #process: Registry
  readonly #threads: ThreadCounters[] = []
  readonly #runs = new Map<string, JobCounts>()
  /** How many connections there are now. */
  connectionCount: () => number = () => 0
  /** How the metadata store gathered commits; undefined if it does not. */
  commitBatches: () => CommitBatches | undefined = () => undefined

  private constructor(prometheus: typeof import('prom-client'), droppedLines: () => number) {
    this.#prometheus = prometheus
    this.#droppedLines = droppedLines
    this.#process = new prometheus.Registry()
    prometheus.collectDefaultMetrics({ register: this.#process })
  }

  /**
   * Begins to measure the process. The package is loaded only here, because most servers start without it.
   *
   * @param droppedLines how many log lines were dropped since the start
   */
  static async open(droppedLines: () => number): Promise<Metrics> {
    return new Metrics(await import('prom-client'), droppedLines)
  }

  /** Makes the counters of a thread. If the thread dies, its replacement continues with them. */
  addThread(): ThreadCounters {
    const counters = new ThreadCounters(EXTENSIONS)
    this.#threads.push(counters)
    return counters
  }

  /** Counts a run of a job of the server. @param run its duration in milliseconds */
  countRun({ job, outcome, took }: { job: string; outcome: string; took: number }): void {
    const key = `${job} ${outcome}`
    const { runs, seconds } = this.#runs.get(key) ?? { runs: 0, seconds: 0 }
    this.#runs.set(key, { job, outcome, runs: runs + 1, seconds: seconds + took / 1000 })
  }

  /** All metrics in the text format of Prometheus. Never waits for another thread. */
  async text(): Promise<string> {
    const all = [
      await this.#process.getMetricsAsJSON(),
      this.#serverMetrics(),
      ...this.#threads.map(threadMetrics),
    ]
    return await this.#prometheus.AggregatorRegistry.aggregate(all).metrics()
  }

  #jobSamples(count: 'runs' | 'seconds'): Sample[] {
    return [...this.#runs.values()].map(({ job, outcome, ...counts }) => ({
      labels: { job, outcome },
      value: counts[count],
    }))
  }

  #serverMetrics(): Metric[] {
    return [
      metric('gauge', 'stowage_http_connections', 'Open connections.', [
        { labels: {}, value: this.connectionCount() },
      ]),
      metric('counter', 'stowage_log_lines_dropped_total', 'Log lines that could not be written.', [
        { labels: {}, value: this.#droppedLines() },
      ]),
      metric(
        'histogram',
        'stowage_metadata_batch_commits',
        'Commits that shared a transaction of the metadata store, and its sync.',
        batchSamples(this.commitBatches()),
      ),
      metric('counter', 'stowage_job_runs_total', 'Runs of jobs of the server.', this.#jobSamples('runs')),
      metric('counter', 'stowage_job_seconds_total', 'Time that runs took.', this.#jobSamples('seconds')),
    ]
  }
}

interface JobCounts {
  job: string
  outcome: string
  runs: number
  seconds: number
}

function threadMetrics(counters: ThreadCounters): Metric[] {
  const operations = counters.readOperations()
  const bytes = (countOf: (counts: OperationCounts) => number) =>
    operations.map((counts) => ({ labels: labelsOf(counts), value: countOf(counts) }))
  return [
    metric(
      'counter',
      'stowage_http_requests_total',
      'Requests by operation, method and status.',
      operations.flatMap(requestSamples),
    ),
    metric(
      'histogram',
      'stowage_http_request_duration_seconds',
      'Time from the head of a request until its answer was sent.',
      operations.flatMap(durationSamples),
    ),
    metric(
      'counter',
      'stowage_http_request_body_bytes_total',
      'Bytes of request bodies that arrived.',
      bytes(({ received }) => received),
    ),
    metric(
      'counter',
      'stowage_http_response_body_bytes_total',
      'Bytes of response bodies that were sent.',
      bytes(({ sent }) => sent),
    ),
    metric(
      'counter',
      'stowage_storage_errors_total',
      'Failed operations of the metadata and blob stores.',
      counters.readFailures().map(([failure, value]) => ({ labels: { failure }, value })),
    ),
  ]
}

function metric(type: Metric['type'], name: string, help: string, values: readonly Sample[]): Metric {
  return { name, help, type, aggregator: 'sum', values }
}

function labelsOf({ operation, method }: OperationCounts): Sample['labels'] {
  return { operation, method }
}

function requestSamples(counts: OperationCounts): Sample[] {
  return counts.requests
    .filter(([, count]) => count > 0)
    .map(([status, value]) => ({ labels: { ...labelsOf(counts), status }, value }))
}

function durationSamples(counts: OperationCounts): Sample[] {
  return histogramSamples('stowage_http_request_duration_seconds', {
    labels: labelsOf(counts),
    bounds: DURATION_BOUNDS,
    counts: counts.durations,
    sum: counts.seconds,
  })
}

function batchSamples(found: CommitBatches | undefined): Sample[] {
  if (found === undefined) return []
  const { bounds, batches, commits } = found
  return histogramSamples('stowage_metadata_batch_commits', {
    labels: {},
    bounds,
    counts: batches,
    sum: commits,
  })
}

/** The numbers of a histogram, of which each bucket includes all smaller ones. */
function histogramSamples(
  name: string,
  {
    labels,
    bounds,
    counts,
    sum,
  }: { labels: Sample['labels']; bounds: readonly number[]; counts: readonly number[]; sum: number },
): Sample[] {
  let total = 0
  const buckets = counts.map((count, index) => {
    total += count
    const le = String(bounds[index] ?? '+Inf')
    return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: total }
  })
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: total },
  ]
}
