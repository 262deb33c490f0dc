import { fileURLToPath } from 'node:url'
import { startDaemon } from './daemon.ts'

const checkout = fileURLToPath(new URL('../..', import.meta.url))

export type Registry = { host: string; stop(): Promise<void> }

/** The registry under test: one of our own on a free port, or the running one that STOWAGE_TEST_REGISTRY names. */
export async function startRegistry(data: string): Promise<Registry> {
  const running = process.env.STOWAGE_TEST_REGISTRY
  if (running) return { host: running, async stop() {} }
  const watched = ['--import', './test/api/watch-program.ts', 'src/cli/main.ts']
  const command = ['--disable-warning=ExperimentalWarning', ...watched, 'serve']
  const daemon = await startDaemon(
    process.execPath,
    [...command, '--listen', '127.0.0.1:0', '--data', data],
    { ready: /http:\/\/(127\.0\.0\.1:\d+)/, signal: 'SIGINT', cwd: checkout },
  )
  return { host: daemon.ready[1] ?? '', stop: daemon.stop }
}
