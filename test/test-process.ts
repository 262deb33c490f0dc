import { enableCompileCache } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { isMainThread } from 'node:worker_threads'

const PATIENCE_MS = 60_000

/*
 * Loaded before each test file by `npm test` and `.ci/run`. Node keeps here what it compiled, so that the next process need not
 * strip the types of the same sources again, which takes it a second.
 */
enableCompileCache(join(tmpdir(), 'stowage-test-code'))

/*
 * A file whose tests have ended, but that holds a server, a socket or
 * a process open, would run for ever: it fails instead, and says what it left open. `--test-force-exit` would end such a file
 * too, but without a word, so that nobody would ever mend it.
 */
if (isMainThread && process.env.NODE_TEST_CONTEXT !== undefined) {
  after(() => {
    // It does not itself keep the file from ending.
    setTimeout(fail, PATIENCE_MS).unref()
  })
}

function fail(): void {
  const open = process.getActiveResourcesInfo().join(', ')
  console.error(`the tests have ended, but after ${PATIENCE_MS / 1000} s this is still open: ${open}`)
  process.exit(1)
}
