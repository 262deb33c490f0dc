import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startStowage } from '../stowage.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

/** Runs a command into a reader that reads one line, or nothing. @returns what it told on standard error, and how it ended */
async function runInto(
  reader: string,
  args: string,
): Promise<{ stderr: string; status: string; read: string }> {
  const script = `"$0" --disable-warning=ExperimentalWarning "$1" ${args} | ${reader}; echo "status \${PIPESTATUS[0]}"`
  const { stdout, stderr } = await promisify(execFile)('bash', ['-c', script, process.execPath, MAIN])
  const [, read = '', status = ''] = /^(.*?)status (\d+)\n$/s.exec(stdout) ?? []
  return { stderr, status, read }
}

test('commands whose output is not read to its end exit silently, as after SIGPIPE', async () => {
  for (const args of ['conformance --list', '--help', 'serve --help', 'conformance --help']) {
    const { stderr, status } = await runInto('(exec <&-; sleep 0.3)', args)
    assert.equal(stderr, '', args)
    assert.ok(status === '141' || status === '0', `${args}: ${status}`)
  }
})

test('the list of cases may be cut off after a line', async () => {
  const { stderr, status, read } = await runInto('head -1', 'conformance --list')
  assert.equal(stderr, '')
  assert.match(read, /^[^\n]+\n$/)
  assert.ok(status === '141' || status === '0', 'the pipe may have held all of it')
})

test('a run of cases whose output is no longer read stops and deletes the content that it pushed', async (t) => {
  const { url } = await startStowage(t)
  const { stderr, status } = await runInto('head -1', `conformance ${url} --concurrency 1`)
  assert.equal(stderr, '')
  assert.equal(status, '141')
  const catalog = await (await fetch(`${url}/v2/_catalog`)).json()
  assert.deepEqual(catalog, { repositories: [] })
})
