import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { pino } from 'pino'
import { DEFAULTS, parseConfig, type Settings } from '../src/config.ts'
import { type StowageServer, startServerHere } from '../src/server.ts'
import { watchAnswers } from './api/watch.ts'

/** A server of a test, on a port and a data folder of its own. */
export interface TestServer extends Pick<StowageServer, 'url' | 'close'> {
  data: string
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
  const server = await startServerHere(config, pino({ level: 'silent' }))
  let closed: Promise<void> | undefined
  const close = () => {
    closed ??= server.close()
    return closed
  }
  // In this order, whatever else the test has to do: a folder that is written to can't be removed.
  test.after(async () => {
    await close()
    if (settings.data === undefined) await rm(data, { recursive: true, force: true })
  })
  watchAnswers(test, server.url)
  return { url: server.url, close, data }
}
