import { parentPort, workerData } from 'node:worker_threads'
import { writeCompiledCodeSoon } from './compiled-code.ts'
import type { Config } from './config.ts'
import { joinDataFolder, type SharedFolder } from './data-folder.ts'
import type { TlsFiles } from './http/node.ts'
import { createLog } from './log.ts'
import { registryOf, serveRegistry } from './serving.ts'

/** What a worker is started with. */
export interface WorkerData {
  config: Config
  folder: SharedFolder
  /** What the tokens of its leases begin with. */
  holder: string
  tls: TlsFiles | undefined
  port: number
  /** Whether other workers listen at the same port. */
  sharesPort: boolean
}

/** What a worker is told: to take another certificate, or to finish. */
export type WorkerOrder = { tls: TlsFiles } | 'close'

/** What a worker tells: that it listens, and how; or that it can't. */
export type WorkerNews = { hasZeroCopy: boolean } | { problem: unknown }

const { config, folder, holder, tls, port, sharesPort } = workerData as WorkerData
writeCompiledCodeSoon()
const log = createLog(config)
const stores = joinDataFolder(folder)
const registry = registryOf(config, stores, holder)

try {
  const { host } = config.listen
  const node = await serveRegistry(
    { config, registry, log },
    { host, port, tls, sharesPort, zeroCopy: config.zeroCopy },
  )
  parentPort?.on('message', async (order: WorkerOrder) => {
    if (order !== 'close') return node.setTls(order.tls)
    await node.close()
    await registry.close()
    await stores.close()
    parentPort?.close()
  })
  tell({ hasZeroCopy: node.hasZeroCopy })
} catch (problem) {
  await stores.close()
  tell({ problem })
}

function tell(news: WorkerNews): void {
  parentPort?.postMessage(news)
}
