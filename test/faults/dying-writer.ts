import { existsSync } from 'node:fs'
import { workerData } from 'node:worker_threads'

/** For a program under test: its metadata writer dies, and each one that takes its place, for as long as there is a file. */
const file = process.env.STOWAGE_TEST_WRITER_DIES ?? ''
const POLL_MS = 10

const { path } = (workerData ?? {}) as { path?: unknown }
if (typeof path === 'string' && path.endsWith('metadata.sqlite')) {
  setInterval(() => {
    if (existsSync(file)) throw new Error('the writer dies for a test')
  }, POLL_MS)
}
