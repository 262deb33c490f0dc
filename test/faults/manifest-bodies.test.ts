import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf, OCI_MANIFEST } from '../content.ts'
import { chunk, connect, head, type RawResponse } from '../protocol/raw-request.ts'
import { assertNothingStored } from '../protocol/refusal.ts'
import { eachBelow } from './conversation.ts'
import { memoryOf, NO_FIGURES, processorSecondsOf, settlesAt, watchMemory } from './process-figures.ts'
import { type FaultServer, startServer } from './start-server.ts'

const PATIENCE = { timeout: 300_000, skip: NO_FIGURES }
const MIB = 1024 * 1024
const MILLION = 1_000_000
const AT_ONCE = 8
const ROUNDS = 24
/** Of a manifest there are at a time its bytes, its text and what is made of that. */
const PEAK_MIB = AT_ONCE * 4 * 5
const SLACK_MIB = 128

/** Well-formed, and of exactly this many bytes. */
function wellFormed(size: number): Buffer {
  const empty = JSON.stringify({ layers: [], annotations: { fill: '' } })
  return Buffer.from(empty.replace('""', `"${'x'.repeat(size - empty.length)}"`))
}

interface Body {
  what: string
  bytes: Buffer
  status: 400 | 413
}

const BODIES: readonly Body[] = [
  { what: '4 MiB and a byte', bytes: wellFormed(4 * MIB + 1), status: 413 },
  { what: '64 MiB', bytes: wellFormed(64 * MIB), status: 413 },
  { what: 'a million arrays', bytes: Buffer.from('['.repeat(MILLION) + ']'.repeat(MILLION)), status: 400 },
  { what: 'a million arrays that never end', bytes: Buffer.from('['.repeat(MILLION)), status: 400 },
  {
    what: 'a million arrays in a field',
    bytes: Buffer.from(`{"layers":${'['.repeat(MILLION)}`),
    status: 400,
  },
  { what: 'half a million objects', bytes: Buffer.from('{"a":'.repeat(MILLION / 2)), status: 400 },
  { what: 'a key twice', bytes: Buffer.from('{"layers":[],"layers":[]}'), status: 400 },
  { what: 'a key twice, escaped', bytes: Buffer.from('{"layers":[],"\\u006cayers":[]}'), status: 400 },
  {
    what: 'a key 300,000 times',
    bytes: Buffer.from(`{${'"layers":[],'.repeat(300_000)}"a":1}`),
    status: 400,
  },
  { what: '__proto__', bytes: Buffer.from('{"layers":[],"__proto__":{"mediaType":"a/b"}}'), status: 400 },
  { what: '__proto__, escaped', bytes: Buffer.from('{"layers":[],"\\u005f_proto__":{}}'), status: 400 },
  {
    what: '__proto__ deep inside',
    bytes: Buffer.from('{"layers":[],"annotations":{"__proto__":{}}}'),
    status: 400,
  },
]

const TYPE = `Content-Type: ${OCI_MANIFEST}`

/** Sends a manifest with a length, or in chunks without one, to its end unless the server ends it before. */
async function push(
  t: { after(work: () => void): void },
  url: string,
  { reference, bytes, chunked }: { reference: string; bytes: Buffer; chunked: boolean },
): Promise<RawResponse> {
  const connection = await connect(t, url)
  const line = `PUT /v2/app/manifests/${reference}`
  const framing = chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${bytes.length}`
  await connection.send(head(line, TYPE, framing))
  for (let at = 0; at < bytes.length; at += MIB) {
    const piece = bytes.subarray(at, at + MIB)
    await connection.send(chunked ? chunk(piece) : piece)
  }
  if (chunked) await connection.send(chunk(''))
  const response = await connection.response()
  connection.destroy()
  return response
}

async function pushEach(
  t: { after(work: () => void): void },
  { url }: FaultServer,
  bodies: readonly Body[],
): Promise<void> {
  await eachBelow(bodies.length * 4, AT_ONCE, async (index) => {
    const { what, bytes, status } = bodies[index >> 2] ?? assert.fail()
    const reference = index % 2 === 0 ? 'latest' : digestOf(bytes)
    const response = await push(t, url, { reference, bytes, chunked: (index & 2) !== 0 })
    assert.equal(response.status, status, `${what}: ${response.body.toString().slice(0, 200)}`)
    assert.deepEqual(response.codes(), [status === 413 ? 'SIZE_INVALID' : 'MANIFEST_INVALID'], what)
  })
}

test(
  'fault 25: a manifest that is too large, too deep or ambiguous is refused with 400 or 413, and nothing is stored',
  PATIENCE,
  async (t) => {
    const server = await startServer(t)
    await pushEach(t, server, BODIES)
    await assertNothingStored(server)
    await server.close()
  },
)

test('fault 25: a thousand such manifests, several at once, cost bounded memory', PATIENCE, async (t) => {
  const server = await startServer(t, { workers: 2, watched: false })
  const bodies = BODIES.filter(({ bytes }) => bytes.length < 5 * MIB)
  await pushEach(t, server, bodies)
  const before = await memoryOf(server.pid)
  const processorBefore = await processorSecondsOf(server.pid)
  const most = watchMemory(server.pid)
  for (let round = 0; round < ROUNDS; round++) await pushEach(t, server, bodies)
  const peak = await most()
  const processor = (await processorSecondsOf(server.pid)) - processorBefore
  assert.ok(peak < before + PEAK_MIB, `${peak} MiB, after ${before}`)
  const after = await settlesAt('MiB', before + SLACK_MIB, () => memoryOf(server.pid))
  const pushes = ROUNDS * bodies.length * 4
  t.diagnostic(
    `MiB: ${before.toFixed()} before, at most ${peak.toFixed()}, ${after.toFixed()} after ${pushes} pushes`,
  )
  t.diagnostic(`${((processor / pushes) * 1000).toFixed(1)} ms of processor time for each`)
  await server.close()
})
