import { randomBytes } from 'node:crypto'
import { memoryOfJumps, steadyTime } from '../registry/clock-jumps.ts'
import type { LocalRegistry } from '../registry/registry.ts'
import { startHousekeeping } from './housekeeping.ts'
import { openRequestServer } from './request-server.ts'
import { threadRegistry } from './thread-registry.ts'
import type { Logging, RequestThreads, ServerContext, Work } from './work.ts'

/** Answers requests on this thread, which also does the housekeeping. */
export async function workInThisThread(logging: Logging, context: ServerContext): Promise<Work> {
  const { log } = logging
  const registry = threadRegistry(context.stores, { ...context, log })
  const threads = await serveInThisThread(logging, { ...context, registry })
  const holder = randomBytes(8).toString('hex')
  const housekeeping = startHousekeeping(context.current, {
    ...context,
    registry,
    log,
    jumps: memoryOfJumps(Date.now, steadyTime),
    holder,
    onRun: (run) => context.metrics?.countRun(run),
  })
  return { threads, housekeeping }
}

async function serveInThisThread(
  { log, output }: Logging,
  { current, stores, registry, health, tls, metrics, counters }: ServerContext & { registry: LocalRegistry },
): Promise<RequestThreads> {
  const checkHealth = () => health.check()
  const measured = { counters, readMetrics: metrics && (() => metrics.text()) }
  const options = { current, registry, log, stores, checkHealth, ...measured, ...(output && { output }) }
  const server = await openRequestServer(options, tls)
  return {
    ...server,
    count: 1,
    // The caller is on the same thread, and shares its settings.
    answers: async () => {},
    configure: async () => {},
    async close() {
      await server.close()
      await registry.close()
    },
  }
}
