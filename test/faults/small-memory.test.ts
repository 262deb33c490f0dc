import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import { openSandbox, type ServingProgram } from '../cli/program.ts'
import { memoryGroup, NO_MEMORY_GROUP } from './memory-group.ts'

/** For tests in which a hang is the failure. */
const HANG = { timeout: 400_000 }
const MIB = 1024 * 1024
/** The smallest that docs/operations/sizing.md names. */
const SMALLEST = 256
const PULLS = 32
const PULLED = 200_000_000
const PUSHES = 16
const PUSHED = 100_000_000
const DIFFERENT = 4

interface Blob {
  digest: string
  chunks(): Generator<Uint8Array>
  size: number
}

/** A blob of some size that this process need not hold: the same megabyte again and again, each with a number. */
function blobOf(size: number, seed: number): Blob {
  const block = randomBytes(MIB)
  function* chunks(): Generator<Uint8Array> {
    for (let at = 0, number = 0; at < size; at += MIB, number++) {
      const chunk = Buffer.from(block.subarray(0, Math.min(MIB, size - at)))
      chunk.writeUInt32LE(seed, 0)
      chunk.writeUInt32LE(number, 4)
      yield chunk
    }
  }
  const hash = createHash('sha256')
  for (const chunk of chunks()) hash.update(chunk)
  return { digest: `sha256:${hash.digest('hex')}`, chunks, size }
}

async function push({ url }: ServingProgram, { digest, chunks, size }: Blob): Promise<number | undefined> {
  const put = request(`${url}/v2/app/blobs/uploads/?digest=${digest}`, {
    method: 'POST',
    headers: { 'Content-Length': size },
    agent: false,
  })
  const answered = new Promise<number | undefined>((resolve, reject) => {
    put.on('response', (response) => resolve(response.resume().statusCode)).on('error', reject)
  })
  await pipeline(chunks(), put)
  return await answered
}

/** Pulls a blob, and tells the digest of what came. */
async function pull({ url }: ServingProgram, { digest }: Blob): Promise<string> {
  const hash = createHash('sha256')
  const get = request(`${url}/v2/app/blobs/${digest}`, { agent: false })
  await new Promise<void>((resolve, reject) => {
    get.on('error', reject).on('response', (response) => {
      response.on('data', (chunk) => hash.update(chunk))
      response.on('end', resolve).on('error', reject)
    })
    get.end()
  })
  return `sha256:${hash.digest('hex')}`
}

/** Has the system forget what it has in memory of the files of a folder. */
function forget(folder: string): void {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    execFileSync('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none'])
  }
}

for (const zeroCopy of ['auto', 'off']) {
  for (const workers of ['auto', '2']) {
    test(`fault 65: with 256 MiB and one processor, 32 pulls of 200 MB and 16 pushes of 100 MB at once are answered right; zero copy ${zeroCopy}, ${workers} workers`, {
      ...HANG,
      skip: NO_MEMORY_GROUP,
    }, async (t) => {
      const sandbox = await openSandbox(t)
      const group = memoryGroup(t, SMALLEST)
      const launcher = ['taskset', '-c', '0', ...group.launcher]
      const server = await sandbox.serve('data', ['--zero-copy', zeroCopy, '--workers', workers], {
        launcher,
        nodeFlags: [],
      })
      const blobs = Array.from({ length: DIFFERENT }, (_, index) => blobOf(PULLED, index))
      for (const blob of blobs) assert.equal(await push(server, blob), 201)
      forget(join(sandbox.folder, 'data', 'blobs'))

      const pulls = Array.from({ length: PULLS }, async (_, index) => {
        const blob = blobs[index % DIFFERENT] as Blob
        assert.equal(await pull(server, blob), blob.digest)
      })
      const small = Array.from({ length: PUSHES }, (_, index) => blobOf(PUSHED, DIFFERENT + index))
      const pushes = small.map(async (blob) => assert.equal(await push(server, blob), 201))
      await Promise.all([...pulls, ...pushes])
      for (const blob of small) assert.equal(await pull(server, blob), blob.digest)
      assert.equal(group.kills(), 0)
      server.signal('SIGTERM')
      const { code, signal, stderr } = await server.ended
      assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' })
    })
  }
}
