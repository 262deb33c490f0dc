import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { temporaryFolder } from '../../test/stowage.ts'
import { DEFAULTS, parseConfig } from '../config.ts'
import { openListener } from '../http/listener.ts'
import { LossCounters } from '../registry/blob-presence.ts'
import { openDataFolder } from '../stores/data-folder.ts'
import { HealthMonitor } from './health.ts'
import { LogOutput } from './log-output.ts'
import { WorkerPool } from './worker-pool.ts'

/** For tests in which a hang is the failure. */
const HANG = { timeout: 60_000 }

async function startWorkers(t: TestContext, count: number): Promise<{ pool: WorkerPool; port: number }> {
  const config = parseConfig({ ...DEFAULTS, listen: '127.0.0.1:0', data: await temporaryFolder(t) })
  const listener = await openListener({ host: '127.0.0.1', port: 0 })
  const stores = await openDataFolder(join(config.data, 'data'))
  const log = pino({ level: 'silent' })
  const logOutput = new LogOutput(2)
  const losses = new LossCounters()
  const nothing = async () => {}
  const health = new HealthMonitor({ blobs: nothing, writes: nothing }, log)
  const pool = await WorkerPool.start(
    { config, stores, losses, health, log, logOutput, tls: undefined, ask() {} },
    count,
  )
  listener.deliverTo((connection) => pool.take(connection))
  t.after(async () => {
    listener.close()
    pool.cut()
    await pool.close()
    await stores.close()
  })
  return { pool, port: listener.addresses[0]?.port ?? 0 }
}

async function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  return socket
}

async function untilCounts(pool: WorkerPool, counts: number[]): Promise<void> {
  while (pool.connectionCounts().join() !== counts.join()) await sleep(10)
}

test(
  'a few connections are spread evenly over the workers, and where some ended new ones go',
  HANG,
  async (t) => {
    const { pool, port } = await startWorkers(t, 2)
    const sockets = [await open(port), await open(port), await open(port), await open(port)]
    await untilCounts(pool, [2, 2])
    const [first, , third] = sockets
    // Both of one worker, since they take turns.
    first?.destroy()
    third?.destroy()
    while (pool.connectionCount() !== 2) await sleep(10)
    await open(port)
    await open(port)
    await untilCounts(pool, [2, 2])
    assert.equal(pool.connectionCount(), 4)
  },
)
