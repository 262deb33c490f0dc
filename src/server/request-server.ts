import type { Logger } from 'pino'
import { type Extension, withoutDrafts } from '../api/extension.ts'
import { readCgroupLimits } from '../cgroup.ts'
import type { Config } from '../config.ts'
import { ociExtension } from '../extensions/oci.ts'
import { stowageExtension } from '../extensions/stowage/stowage.ts'
import { hostCheck } from '../http/allowed-hosts.ts'
import { createApp } from '../http/app.ts'
import { MAX_BODY_MEMORY, type NodeServer, nodeServer, type TlsFiles } from '../http/node.ts'
import { type OriginReader, originReader } from '../http/request-origin.ts'
import { addressMatcher } from '../ip-address.ts'
import type { Registry } from '../registry/registry.ts'
import type { DiskGate } from '../storage/disk-gate.ts'
import { type Health, logChange } from './health.ts'

/** Every extension that there is, with drafts. */
export const EXTENSIONS: readonly Extension[] = [ociExtension, stowageExtension]

/** A server whose readiness can be withdrawn before it closes. */
export interface RequestServer extends NodeServer {
  /** Lets the readiness probe fail from now on; all else is answered as before. */
  withdraw(): void
}

/** What a thread serves. */
export interface RequestServerOptions {
  config: Config
  registry: Registry
  log: Logger
  /** Where this thread waits for the disk. */
  gate: DiskGate
  /** What probes have found of the storage. */
  checkHealth(): Promise<Health>
  /** How many threads serve the same; one if absent. What is bounded for all of them is divided by that. */
  threads?: number
  /** Where all threads remember what hosts were logged. */
  loggedHosts?: Int32Array
}

/** Answers requests on this thread, on the connections that it is given. */
export async function openRequestServer(
  { config, registry, log, gate, checkHealth, threads = 1, loggedHosts }: RequestServerOptions,
  tls: TlsFiles | undefined,
): Promise<RequestServer> {
  let withdrawn = false
  const isStalled = stallReporter(gate, log)
  const probeMetadata = metadataProbe(registry, log)
  const app = createApp({
    registry,
    extensions: config.draftExtensions ? EXTENSIONS : withoutDrafts(EXTENSIONS),
    clock: Date.now,
    threads,
    checkHost: hostCheck({
      allowedHosts: config.allowedHosts,
      publicHost: config.publicUrl?.host,
      log,
      ...(loggedHosts && { logged: loggedHosts }),
    }),
    async isReady(need) {
      if (withdrawn || isStalled() || !(await probeMetadata())) return false
      const { reads, writes } = await checkHealth()
      // It may have begun to stop meanwhile.
      return !withdrawn && reads === undefined && (need === 'read' || writes === undefined)
    },
    log,
  })
  const node = await nodeServer(app, {
    tls,
    zeroCopy: config.zeroCopy,
    readOrigin: readerOf(config),
    bodyMemory: bodyMemory() / threads,
    isStalled,
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
    },
  }
}

/** How many bytes all bodies may hold together: no more than a quarter of what the control group grants to all. */
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

/** Tells whether the disk stands still, and logs when that changes. */
function stallReporter(gate: DiskGate, log: Logger): () => boolean {
  let before = false
  return () => {
    const now = gate.isStalled
    if (now && !before)
      log.error('the storage has not answered for 10 seconds; writes are refused until it does')
    if (before && !now) log.info('the storage answers again')
    before = now
    return now
  }
}

/** Tells whether the metadata store can be read on this thread. */
function metadataProbe({ repositories }: Registry, log: Logger): () => Promise<boolean> {
  let before: string | undefined
  return async () => {
    const now = await repositories.list('', 1).then(
      () => undefined,
      ({ message }: Error) => message,
    )
    logChange(log, 'reads', { before, now })
    before = now
    return now === undefined
  }
}
