import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, readFileSync, readSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openSandbox, type ServingProgram } from '../cli/program.ts'
import { smallDisk } from '../suites/small-disk.ts'

/** For tests in which a hang is the failure. */
const HANG = { timeout: 240_000 }
const REQUESTS = 3_000
/** Makes a line of the log of more than 1,000 bytes: three megabytes in all, where one may wait. */
const LONG_PATH = `/v2/${'a'.repeat(1_000)}/tags/list`

async function serveInto(t: TestContext, stderr: number): Promise<ServingProgram> {
  t.after(() => closeSync(stderr))
  const sandbox = await openSandbox(t)
  const settings = { env: { STOWAGE_LOG_LEVEL: 'debug' }, stderr, nodeFlags: [] }
  return await sandbox.serve('data', ['--workers', '2'], settings)
}

async function askOften({ url }: ServingProgram): Promise<void> {
  for (let left = REQUESTS; left > 0; left -= 50) {
    const answers = Array.from({ length: 50 }, async () => {
      const response = await fetch(url + LONG_PATH)
      await response.arrayBuffer()
      return response.status
    })
    assert.deepEqual([...new Set(await Promise.all(answers))], [400])
  }
}

async function answers({ url }: ServingProgram): Promise<void> {
  assert.equal((await fetch(`${url}/livez`)).status, 200)
}

async function endsWell(server: ServingProgram): Promise<void> {
  server.signal('SIGTERM')
  const { code, signal } = await server.ended
  assert.deepEqual({ code, signal }, { code: 0, signal: null })
}

test('fault 45: a log on a full disk loses lines, and says how many once there is space', HANG, async (t) => {
  const disk = await smallDisk(t)
  const [ballast, path] = [join(disk, 'ballast'), join(disk, 'log')]
  writeFileSync(ballast, Buffer.alloc(600 * 1024))
  const server = await serveInto(t, openSync(path, 'a'))
  await askOften(server)
  await answers(server)
  rmSync(ballast)
  // The next line can be written, and what was lost is told before it.
  while (!readFileSync(path, 'utf8').includes('"dropped":')) await answers(server)
  await endsWell(server)
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
  const broken = lines.filter((line) => !isJson(line))
  assert.ok(broken.length <= 1, 'at most the line in which the space ended is not whole')
  const dropped = lines.filter(isJson).reduce((sum, line) => sum + (JSON.parse(line).dropped ?? 0), 0)
  const told = lines.filter((line) => line.includes(LONG_PATH)).length
  assert.ok(dropped > 0 && dropped + told >= REQUESTS, `${told} lines and ${dropped} dropped`)
})

test('fault 45: a log in a pipe without a reader blocks nothing', HANG, async (t) => {
  const sandbox = await openSandbox(t)
  const path = join(sandbox.folder, 'pipe')
  execFileSync('mkfifo', [path])
  const reader = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  t.after(() => closeSync(reader))
  const server = await serveInto(t, openSync(path, 'w'))
  await askOften(server)
  await answers(server)
  // Somebody reads again: the lines that waited come, whole, and the number of those that did not.
  let text = ''
  while (!text.includes('"dropped":')) {
    text += readSome(reader)
    await answers(server)
  }
  await endsWell(server)
  const whole = text.slice(0, text.lastIndexOf('\n')).split('\n')
  assert.deepEqual(
    whole.filter((line) => !isJson(line)),
    [],
  )
})

test('fault 45: a log in a socket without a reader blocks nothing', HANG, async (t) => {
  const sandbox = await openSandbox(t)
  // What is not read of a socket stays in the system once the reader's own buffers are full.
  const settings = { env: { STOWAGE_LOG_LEVEL: 'debug' }, nodeFlags: [], readsStderr: false }
  const server = await sandbox.serve('data', ['--workers', '2'], settings)
  await askOften(server)
  await answers(server)
  await endsWell(server)
})

function readSome(descriptor: number): string {
  const buffer = Buffer.alloc(64 * 1024)
  try {
    return buffer.toString('utf8', 0, readSync(descriptor, buffer))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return ''
    throw error
  }
}

function isJson(line: string): boolean {
  try {
    JSON.parse(line)
    return true
  } catch {
    return false
  }
}
