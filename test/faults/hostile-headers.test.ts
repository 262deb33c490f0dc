import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pushImage } from '../content.ts'
import { head, sendRaw } from '../protocol/raw-request.ts'
import { converse, eachBelow } from './conversation.ts'
import { memoryOf, NO_FIGURES, processorSecondsOf, settlesAt } from './process-figures.ts'
import { startServer } from './start-server.ts'

const PATIENCE = { timeout: 300_000, skip: NO_FIGURES }
const MIB = 1024 * 1024
const FLOOD = 2_000
const AT_ONCE = 8
const SLACK_MIB = 128
/** How much more a hostile header may cost than a plain one of the same length. */
const MAX_RATIO = 5

const TOO_LONG: readonly (readonly [what: string, value: string])[] = [
  ['1 MB', `Bearer ${'a'.repeat(MIB)}`],
  ['1 MB of base64', `Basic ${Buffer.alloc(MIB * 0.75, 'a:').toString('base64')}`],
  ['100,000 dots', `Bearer ${'.'.repeat(100_000)}`],
]

const IGNORED: readonly (readonly [what: string, value: string])[] = [
  ['30,000 dots', `Bearer ${'.'.repeat(30_000)}`],
  ['30,000 spaces', `Bearer${' '.repeat(30_000)}x`],
  ['30,000 commas', `Digest ${'a=b,'.repeat(7_500)}`],
  ['30,000 quotes', `Digest ${'"'.repeat(30_000)}`],
  ['no base64', 'Basic !!!!%%%%'],
  ['base64 that is cut', 'Basic YWRtaW46c'],
  ['base64 without a colon', `Basic ${Buffer.from('admin').toString('base64')}`],
  ['base64 of bytes', `Basic ${Buffer.from([0xff, 0, 0x3a, 0xfe]).toString('base64')}`],
  ['a usual password', `Basic ${Buffer.from('admin:admin').toString('base64')}`],
  ['no scheme', 'x'],
  ['an empty scheme', ' Basic'],
  ['nothing', ''],
  ['an unsigned token', `Bearer ${Buffer.from('{"alg":"none"}').toString('base64url')}.e30.`],
]

test(
  'fault 29: an Authorization header beyond 32 KiB gets 431, and the next client is answered',
  PATIENCE,
  async (t) => {
    const server = await startServer(t)
    for (const [what, value] of TOO_LONG) {
      const refused = await sendRaw(t, server.url, head('GET /v2/', `Authorization: ${value}`))
      assert.equal(refused.status, 431, what)
      assert.deepEqual(refused.codes(), ['UNSUPPORTED'])
      assert.equal(refused.headers.connection, 'close')
      assert.equal((await fetch(`${server.url}/v2/`)).status, 200)
    }
    await server.close()
  },
)

/** What an answer tells its client. Each has another date and id, and an id may be longer than another. */
function toldBy({ headers, body }: { headers: Readonly<Record<string, string>>; body: Buffer }): unknown {
  const { date: _, 'x-request-id': id = '', 'content-length': __, ...others } = headers
  return [others, body.toString().replaceAll(id, '')]
}

test(
  'fault 29: any other Authorization header changes no answer, since there are no accounts',
  PATIENCE,
  async (t) => {
    const server = await startServer(t)
    await pushImage(server.url, 'app', 'v1')
    const client = await converse(t, server.url)
    for (const line of [
      'GET /v2/',
      'GET /v2/app/manifests/v1',
      'GET /v2/_catalog',
      'GET /v2/none/tags/list',
    ]) {
      const plain = toldBy(await client.ask(line))
      for (const [what, value] of IGNORED) {
        const same = toldBy(await client.ask(line, { headers: [`Authorization: ${value}`] }))
        assert.deepEqual(same, plain, what)
      }
    }
    await server.close()
  },
)

test(
  'fault 29: a flood of hostile Authorization headers costs no more than one of plain headers',
  PATIENCE,
  async (t) => {
    const server = await startServer(t, { workers: 2, watched: false })
    const flood = async (value: string) => {
      const before = await processorSecondsOf(server.pid)
      const clients = await Promise.all(Array.from({ length: AT_ONCE }, () => converse(t, server.url)))
      await eachBelow(FLOOD, AT_ONCE, async (_, lane) => {
        const answer = await clients[lane]?.ask('GET /v2/', { headers: [`Authorization: ${value}`] })
        assert.equal(answer?.status, 200)
      })
      for (const client of clients) client.end()
      return (await processorSecondsOf(server.pid)) - before
    }
    const letters = `Bearer ${'a'.repeat(30_000)}`
    await flood(letters)
    const memory = await memoryOf(server.pid)
    const plain = await flood(letters)
    for (const [what, value] of IGNORED) {
      if (value.length < 1_000) continue
      const cost = await flood(value)
      t.diagnostic(
        `${what}: ${cost.toFixed(2)} s of processor time for ${FLOOD}, letters: ${plain.toFixed(2)} s`,
      )
      assert.ok(cost < MAX_RATIO * (plain + 0.2), what)
    }
    await settlesAt('MiB', memory + SLACK_MIB, () => memoryOf(server.pid))
    await server.close()
  },
)
