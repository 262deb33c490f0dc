import { subscribe } from 'node:diagnostics_channel'
import { mkdtemp, rm } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { pino } from 'pino'
import { DEFAULTS, parseConfig, type Settings } from '../src/config.ts'
import { type StowageServer, startServerInThisThread } from '../src/server/server.ts'
import { watchAnswers } from './api/watch.ts'

/** A server of a test, on a port and a data folder of its own. */
export interface TestServer extends Pick<StowageServer, 'url'> {
  data: string
  close(): Promise<void>
}

/** How long requests that are still running have when a test ends. */
const GRACE_MS = 1000

/** The connections of this process to servers: a test that fails leaves some whose requests would never end. */
const connections = new Set<Socket>()

subscribe('net.client.socket', (message) => {
  const { socket } = message as { socket: Socket }
  connections.add(socket)
  socket.once('close', () => connections.delete(socket))
})

function cutConnections(url: string): void {
  const port = Number(new URL(url).port)
  for (const socket of connections) if (socket.remotePort === port) socket.destroy()
}

/** Makes a folder that goes when the test ends. */
export async function temporaryFolder(test: Pick<TestContext, 'after'>): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'stowage-test-'))
  test.after(() => rm(path, { recursive: true, force: true }))
  return path
}

/**
 * Starts a server with real files and real SQLite, and stops it when the test ends. Each of its answers is held against the description.
 */
export async function startStowage(
  test: Pick<TestContext, 'after'>,
  settings: Partial<Settings> = {},
): Promise<TestServer> {
  const data = settings.data ?? (await mkdtemp(join(tmpdir(), 'stowage-test-')))
  const config = parseConfig({ ...DEFAULTS, listen: '127.0.0.1:0', ...settings, data })
  const server = await startServerInThisThread(config, pino({ level: 'silent' }))
  let closed: Promise<void> | undefined
  const close = () => {
    closed ??= server.close().then(() => {})
    return closed
  }
  // In this order, whatever else the test has to do: a folder that is written to can't be removed.
  test.after(async () => {
    const timer = setTimeout(() => cutConnections(server.url), GRACE_MS)
    await close().finally(() => clearTimeout(timer))
    if (settings.data === undefined) await rm(data, { recursive: true, force: true })
  })
  watchAnswers(test, server.url, config.publicUrl?.prefix)
  return { url: server.url, close, data }
}
