import type { Logger } from 'pino'
import { type Extension, withoutDrafts } from '../api/extension.ts'
import { readCgroupLimits } from '../cgroup.ts'
import type { Config } from '../config.ts'
import { ociExtension } from '../extensions/oci.ts'
import { stowageExtension } from '../extensions/stowage/stowage.ts'
import { type HostCheck, hostCheck, memoryOfLoggedHosts } from '../http/allowed-hosts.ts'
import type { RequestObserver } from '../http/answered-request.ts'
import { createApp } from '../http/app.ts'
import { MAX_BODY_MEMORY, type NodeServer, nodeServer, type TlsFiles } from '../http/node.ts'
import { type OriginReader, originReader } from '../http/request-origin.ts'
import { addressMatcher } from '../ip-address.ts'
import type { Registry } from '../registry/registry.ts'
import type { ThreadStores } from '../stores/stores.ts'
import { type AccessLog, openAccessLog } from './access-log.ts'
import type { CurrentConfig } from './current-config.ts'
import { type Health, logChange, type Problem, problemIn } from './health.ts'
import type { LineOutput } from './log-output.ts'
import type { ThreadCounters } from './thread-counters.ts'

/** All extensions, including drafts. */
export const EXTENSIONS: readonly Extension[] = [ociExtension, stowageExtension]

/** A server whose readiness can be withdrawn before it closes. */
export interface RequestServer extends NodeServer {
  /** Makes the readiness probe fail from now on. All other requests are answered as before. */
  withdraw(): void
}

/** What a thread needs to serve requests. */
export interface RequestServerOptions {
  current: CurrentConfig
  registry: Registry
  log: Logger
  /** The stores of this thread. */
  stores: Pick<ThreadStores, 'isStalled'>
  /** The results of the storage probes. */
  checkHealth(): Promise<Health>
  /** How many threads serve the same registry; one if absent. Limits for all of them together are divided by this number. */
  threads?: number
  /** Where the log of this thread is written, if the server writes it itself. */
  output?: LineOutput
  /** Counts requests; absent if nothing is measured. */
  counters?: ThreadCounters | undefined
  /** Reads the metrics of the whole server. */
  readMetrics?: (() => Promise<string>) | undefined
  /** Memory that all threads share to remember which hosts were logged. */
  loggedHosts?: Int32Array
}

/** Answers requests on the connections that are passed to this thread. */
export async function openRequestServer(
  {
    current,
    registry,
    log,
    stores,
    checkHealth,
    threads = 1,
    output,
    counters,
    readMetrics,
    loggedHosts,
  }: RequestServerOptions,
  tls: TlsFiles | undefined,
): Promise<RequestServer> {
  const config = current.value
  let withdrawn = false
  const accessLog = openAccessLog(current, log, output)
  const isStalled = stallReporter(stores, log)
  const probeMetadata = metadataProbe(registry, log)
  const app = createApp({
    registry,
    extensions: config.draftExtensions ? EXTENSIONS : withoutDrafts(EXTENSIONS),
    clock: Date.now,
    threads,
    checkHost: currentHostCheck(current, log, loggedHosts),
    async isReady(need) {
      if (withdrawn || isStalled() || !(await probeMetadata())) return false
      const { reads, writes } = await checkHealth()
      // It may have begun to stop in the meantime.
      return !withdrawn && reads === undefined && (need === 'read' || writes === undefined)
    },
    ...(config.metrics === 'on' && readMetrics && { readMetrics }),
    log,
  })
  const node = await nodeServer(app, {
    tls,
    zeroCopy: config.zeroCopy,
    readOrigin: readerOf(config),
    bodyMemory: bodyMemory() / threads,
    isStalled,
    observer: observerOf(accessLog, counters),
    log,
  })
  return {
    ...node,
    withdraw() {
      withdrawn = true
    },
    async close() {
      withdrawn = true
      await node.close()
      accessLog.flush()
    },
  }
}

/** A check that always uses the current names. */
function currentHostCheck(
  current: CurrentConfig,
  log: Logger,
  logged: Int32Array = memoryOfLoggedHosts(),
): HostCheck {
  const check = current.derive(({ allowedHosts, publicUrl }) =>
    hostCheck({ allowedHosts, publicHost: publicUrl?.host, log, logged }),
  )
  return (host) => check()(host)
}

function observerOf(accessLog: AccessLog, counters: ThreadCounters | undefined): RequestObserver {
  if (counters === undefined) return accessLog
  return {
    isActive: true,
    observe(answered) {
      counters.observe(answered)
      accessLog.observe(answered)
    },
  }
}

/** How many bytes all bodies may hold together: at most a quarter of the memory limit of the control group. */
function bodyMemory(): number {
  const { memory = Number.POSITIVE_INFINITY } = readCgroupLimits()
  return Math.min(MAX_BODY_MEMORY, memory / 4)
}

function readerOf({ publicUrl, trustedProxies: { unixSocket, ranges } }: Config): OriginReader {
  const isInRange = addressMatcher(ranges)
  return originReader({
    publicUrl,
    isTrusted: (peer) => (peer === 'unix' ? unixSocket : isInRange(peer)),
  })
}

/** Returns whether the stores are stalled, and logs when that changes. */
function stallReporter(stores: Pick<ThreadStores, 'isStalled'>, log: Logger): () => boolean {
  let before = false
  return () => {
    const now = stores.isStalled()
    if (now && !before)
      log.error('the storage has not answered for 10 seconds; writes are refused until it does')
    if (before && !now) log.info('the storage answers again')
    before = now
    return now
  }
}

/** Checks whether the metadata store can be read on this thread. */
function metadataProbe({ repositories }: Registry, log: Logger): () => Promise<boolean> {
  let before: Problem | undefined
  return async () => {
    const now = await problemIn(repositories.list('', 1))
    logChange(log, 'reads', { before, now })
    before = now
    return now === undefined
  }
}
