import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openSandbox } from '../cli/program.ts'
import { serveWatched, type Thread } from '../cli/threads.ts'
import { bytesOf, digestOf } from '../content.ts'
import { connect, head, type RawConnection } from '../protocol/raw-request.ts'
import { beginUpload, chunkRange, closeUpload, patchUpload } from '../protocol/upload-requests.ts'

const PATIENCE = { timeout: 300_000 }
/** What stays in memory, what is written to a file. */
const SIZES = [20_000, 3_000_000]
const WORKERS = 2

/** How many bytes an upload says that it has; one can't be told from none. */
async function offsetOf(upload: URL): Promise<number> {
  const status = await fetch(upload)
  assert.equal(status.status, 204)
  return endOf(status)
}

function endOf({ headers }: Response): number {
  const last = Number(/^0-(\d+)$/.exec(headers.get('range') ?? '')?.[1])
  return last === 0 ? 0 : last + 1
}

async function assertPulled(url: string, bytes: Uint8Array): Promise<void> {
  const pulled = await fetch(`${url}/v2/app/blobs/${digestOf(bytes)}`)
  assert.equal(pulled.status, 200)
  assert.ok((await bytesOf(pulled)).equals(Buffer.from(bytes)))
}

/** Begins a request that sends the first part of its body, and then nothing. */
async function stall(
  t: TestContext,
  upload: URL,
  request: { line: string; headers: readonly string[]; bytes: Uint8Array },
): Promise<RawConnection> {
  const connection = await connect(t, upload.origin)
  await connection.send(head(request.line, ...request.headers), request.bytes)
  return connection
}

/** Waits until the upload says that it has so many bytes; the request that brings them goes on. */
async function arrived(upload: URL, size: number): Promise<void> {
  for (let turn = 0; (await offsetOf(upload)) < size; turn++) {
    assert.ok(turn < 1000, 'what a request has brought is never told')
    await sleep(10)
  }
}

const REQUESTS = ['PATCH', 'PUT'] as const

function lineOf(method: (typeof REQUESTS)[number], upload: URL, digest: string): string {
  return method === 'PUT' ? `PUT ${upload.pathname}?digest=${digest}` : `PATCH ${upload.pathname}`
}

/** Takes an upload over by a newer request, and finds the blob whole in the end. */
const TAKEOVERS: Record<string, (upload: URL, bytes: Buffer, told: number) => Promise<void>> = {
  async 'the same chunk with Content-Range'(upload, bytes, told) {
    const refused = await patchUpload(upload, bytes, chunkRange(0, bytes.length))
    assert.equal(refused.status, 416)
    const offset = endOf(refused)
    assert.ok(offset >= told, `${offset} bytes of ${told} are left`)
    const rest = bytes.subarray(offset)
    const closed = await closeUpload(upload, digestOf(bytes), {
      body: rest,
      headers: chunkRange(offset, rest.length),
    })
    assert.equal(closed.status, 201, await closed.text())
  },
  async 'the rest of the chunk without Content-Range'(upload, bytes, told) {
    assert.equal((await patchUpload(upload, bytes.subarray(told))).status, 202)
    assert.equal((await closeUpload(upload, digestOf(bytes))).status, 201)
  },
  async 'a closing PUT of everything'(upload, bytes) {
    const closed = await closeUpload(upload, digestOf(bytes), { body: bytes })
    assert.equal(closed.status, 201, await closed.text())
  },
  async 'a closing PUT of the rest'(upload, bytes, told) {
    const closed = await closeUpload(upload, digestOf(bytes), { body: bytes.subarray(told) })
    assert.equal(closed.status, 201, await closed.text())
  },
}

test(
  'fault 52: a stalled request is overtaken at once by a newer one, whichever worker has it, and acknowledged bytes stay',
  PATIENCE,
  async (t) => {
    const sandbox = await openSandbox(t)
    const server = await sandbox.serve('data', ['--workers', `${WORKERS}`])
    for (const size of SIZES) {
      for (const method of REQUESTS) {
        for (const [how, takeOver] of Object.entries(TAKEOVERS)) {
          // Each connection goes to a worker that the system chooses, so that some stay on one and some do not.
          for (let turn = 0; turn < 3; turn++) {
            const bytes = randomBytes(size)
            const upload = await beginUpload(server.url, 'app')
            const first = bytes.subarray(0, size / 2)
            const older = await stall(t, upload, {
              line: lineOf(method, upload, digestOf(bytes)),
              headers: [`Content-Length: ${size}`],
              bytes: first,
            })
            await arrived(upload, first.length)
            const started = performance.now()
            await takeOver(upload, bytes, first.length)
            assert.ok(performance.now() - started < 20_000, how)
            assert.equal((await older.response()).status, 409, `${method}, then ${how}`)
            older.destroy()
            await assertPulled(server.url, bytes)
          }
        }
      }
    }
  },
)

test(
  'fault 52: a request that stalls is ended by a DELETE, and what it brings later is gone',
  PATIENCE,
  async (t) => {
    const sandbox = await openSandbox(t)
    const server = await sandbox.serve('data', ['--workers', `${WORKERS}`])
    for (const size of SIZES) {
      for (const method of REQUESTS) {
        const bytes = randomBytes(size)
        const upload = await beginUpload(server.url, 'app')
        const older = await stall(t, upload, {
          line: lineOf(method, upload, digestOf(bytes)),
          headers: [`Content-Length: ${size}`],
          bytes: bytes.subarray(0, size / 2),
        })
        await arrived(upload, size / 2)
        assert.equal((await fetch(upload, { method: 'DELETE' })).status, 204)
        assert.match(`${(await older.response()).status}`, /^(?:404|409)$/)
        assert.equal((await fetch(upload)).status, 404)
        assert.equal((await fetch(`${server.url}/v2/app/blobs/${digestOf(bytes)}`)).status, 404)
      }
    }
  },
)

/** Asks on connections of their own until another worker than the paused one answers. */
async function onOtherWorker(t: TestContext, url: string, ...request: (string | Uint8Array)[]) {
  const attempts = Array.from({ length: 12 }, async () => {
    const connection = await connect(t, url)
    await connection.send(head('GET /v2/'))
    await connection.response()
    return connection
  })
  const connection = await Promise.any(attempts)
  await connection.send(...request)
  return await connection.response()
}

/** Which worker has the connection: with the others standing still it is the one that answers, on a busy machine at the second turn perhaps. */
async function workerOf(workers: Thread[], ask: () => Promise<unknown>): Promise<Thread> {
  for (let turn = 0; ; turn++) {
    const worker = workers[turn % workers.length] ?? assert.fail()
    const others = workers.filter((other) => other !== worker)
    await Promise.all(others.map((other) => other.pause()))
    const asked = ask()
    const isAnswered = await Promise.race([asked.then(() => true), sleep(1000).then(() => false)])
    for (const other of others) other.resume()
    await asked
    if (isAnswered) return worker
  }
}

for (const size of SIZES) {
  for (const told of [0, size / 4]) {
    test(
      `fault 53: a worker that is stopped while a newer request publishes ${size} bytes, ${told} of them acknowledged before, changes nothing when it continues`,
      PATIENCE,
      async (t) => {
        const { server, threads, endDebugging } = await serveWatched(t)
        const workers = await threads.living('worker-thread.ts', WORKERS)
        const bytes = randomBytes(size)
        const other = randomBytes(size)
        const upload = await beginUpload(server.url, 'app')
        if (told > 0) assert.equal((await patchUpload(upload, bytes.subarray(0, told))).status, 202)
        const older = await connect(t, server.url)
        const stuck = await workerOf(workers, async () => {
          await older.send(head('GET /v2/'))
          await older.response()
        })
        // What it writes differs from what the newer request brings, so that a late write would show.
        const late = other.subarray(told)
        await older.send(
          head(`PUT ${upload.pathname}?digest=${digestOf(late)}`, `Content-Length: ${late.length}`),
          late.subarray(0, late.length / 2),
        )
        // Asking whether they have arrived would acknowledge them.
        await sleep(300)
        await stuck.pause()
        const rest = bytes.subarray(told)
        const closing = head(
          `PUT ${upload.pathname}?digest=${digestOf(bytes)}`,
          `Content-Length: ${rest.length}`,
        )
        const closed = await onOtherWorker(t, server.url, closing, rest)
        assert.equal(closed.status, 201, closed.body.toString())
        await older.send(late.subarray(late.length / 2))
        stuck.resume()
        assert.match(`${(await older.response()).status}`, /^4(?:04|09)$/)
        await assertPulled(server.url, bytes)
        assert.equal((await fetch(`${server.url}/v2/app/blobs/${digestOf(late)}`)).status, 404)
        await assertPulled(server.url, bytes)
        endDebugging()
      },
    )
  }
}
