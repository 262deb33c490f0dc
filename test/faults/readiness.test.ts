import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { appendFileSync, rmSync, writeFileSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openSandbox, type ServingProgram } from '../cli/program.ts'
import { bytesOf, digestOf, pushBlob } from '../content.ts'
import { loopDisk } from '../suites/small-disk.ts'

/** For tests in which a hang is the failure. */
const HANG = { timeout: 240_000 }
const MIB = 1024 * 1024
const BLOB = randomBytes(MIB)
const RATHER_MANY = 40

async function probe({ url }: ServingProgram, query = ''): Promise<number> {
  const response = await fetch(`${url}/readyz${query}`)
  await response.arrayBuffer()
  return response.status
}

/** Waits until the server says so of writes; of reads it must say all the while that they can be done. */
async function untilWrites(server: ServingProgram, status: 200 | 503): Promise<void> {
  while ((await probe(server, '?for=write')) !== status) {
    assert.equal(await probe(server), 200)
    await sleep(50)
  }
  assert.equal(await probe(server), 200)
  assert.equal(
    digestOf(await bytesOf(await fetch(`${server.url}/v2/app/blobs/${digestOf(BLOB)}`))),
    digestOf(BLOB),
  )
}

/** The causes that a log tells for what cannot be done, in their order. */
function causesOf(log: string, what: 'reads' | 'writes'): string[] {
  const lines = log.trim().split('\n')
  return lines.flatMap((line) => {
    const { msg, cause } = JSON.parse(line) as { msg: string; cause?: string }
    return msg === `${what} do not work` ? [cause ?? ''] : []
  })
}

async function askOften(server: ServingProgram): Promise<void> {
  for (let turn = 0; turn < RATHER_MANY; turn++) {
    const statuses = await Promise.all([1, 2, 3, 4].map(() => probe(server, '?for=write')))
    assert.deepEqual(statuses, [503, 503, 503, 503])
    await sleep(50)
  }
}

function fill(disk: string): void {
  for (const size of [MIB, 4096]) {
    try {
      for (;;) appendFileSync(join(disk, 'ballast'), Buffer.alloc(size))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    }
  }
}

test(
  'fault 63: on a full disk the probe for writes fails, with its cause in the log once, until there is space; reads are ready',
  HANG,
  async (t) => {
    const sandbox = await openSandbox(t)
    const disk = await loopDisk(t, 64)
    const server = await sandbox.serve(join(disk, 'data'), ['--workers', '2'])
    await pushBlob(server.url, 'app', BLOB)
    await untilWrites(server, 200)
    fill(disk)
    await untilWrites(server, 503)
    await askOften(server)
    rmSync(join(disk, 'ballast'))
    await untilWrites(server, 200)
    server.signal('SIGTERM')
    const { code, signal, stderr } = await server.ended
    assert.deepEqual({ code, signal }, { code: 0, signal: null }, stderr)
    const causes = causesOf(stderr, 'writes')
    // Either store may find out that the disk is full, and then the other one.
    assert.equal(causes.length, 1, stderr)
    assert.match(causes[0] ?? '', /ENOSPC|full/)
    assert.deepEqual(causesOf(stderr, 'reads'), [])
  },
)

test(
  'fault 63: when the file system turns read-only after an error, the probe for writes fails, and reads are ready',
  HANG,
  async (t) => {
    const sandbox = await openSandbox(t)
    const disk = await loopDisk(t, 64)
    execFileSync('mount', ['-o', 'remount,errors=remount-ro', disk])
    const server = await sandbox.serve(join(disk, 'data'), ['--workers', '2'])
    await pushBlob(server.url, 'app', BLOB)
    await untilWrites(server, 200)
    const device = execFileSync('findmnt', ['-no', 'SOURCE', disk], { encoding: 'utf8' }).trim()
    writeFileSync(`/sys/fs/ext4/${basename(device)}/trigger_fs_error`, '1')
    await untilWrites(server, 503)
    await askOften(server)
    await server.wrote('stderr', /"cause":".*","msg":"writes do not work"/)
    for (const bytes of [Buffer.from('small'), randomBytes(MIB)]) {
      const refused = await fetch(`${server.url}/v2/app/blobs/uploads/?digest=${digestOf(bytes)}`, {
        method: 'POST',
        body: bytes,
      })
      assert.equal(refused.status, 503, await refused.text())
      assert.ok(refused.headers.has('retry-after'))
    }
  },
)

test(
  'fault 63: while no writer of the metadata stays alive, the probe for writes fails, and reads are ready',
  HANG,
  async (t) => {
    const sandbox = await openSandbox(t)
    const file = join(sandbox.folder, 'die')
    const preload = new URL('./dying-writer.ts', import.meta.url)
    const env = {
      STOWAGE_TEST_WRITER_DIES: file,
      NODE_OPTIONS: `--disable-warning=ExperimentalWarning --import=${preload}`,
    }
    const server = await sandbox.serve('data', ['--workers', '2'], { env })
    await pushBlob(server.url, 'app', BLOB)
    await untilWrites(server, 200)
    writeFileSync(file, '')
    await untilWrites(server, 503)
    await server.wrote('stderr', /"cause":"[^"]*metadata writer[^"]*","msg":"writes do not work"/)
    rmSync(file)
    await untilWrites(server, 200)
  },
)

test(
  'fault 63: while the folder of blobs is missing, neither reads nor writes are ready',
  HANG,
  async (t) => {
    const sandbox = await openSandbox(t)
    const server = await sandbox.serve('data', ['--workers', '2'])
    assert.equal(await probe(server), 200)
    const blobs = join(sandbox.folder, 'data', 'blobs')
    await rename(blobs, `${blobs}-away`)
    while ((await probe(server)) !== 503) await sleep(50)
    assert.equal(await probe(server, '?for=write'), 503)
    await server.wrote('stderr', /is its disk mounted\?.*"msg":"reads do not work"/)
    await rename(`${blobs}-away`, blobs)
    while ((await probe(server, '?for=write')) !== 200) await sleep(50)
  },
)
