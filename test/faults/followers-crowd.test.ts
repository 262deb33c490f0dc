import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { pushImage } from '../content.ts'
import { connect, head, type RawConnection } from '../protocol/raw-request.ts'
import { NO_FIGURES, processorSecondsOf } from './process-figures.ts'
import { type FaultServer, startServer } from './start-server.ts'

const PATIENCE = { timeout: 300_000, skip: NO_FIGURES }
const IN_ALL = 1024
const OF_CLIENT = 512
const IDLE = 500
const PUSHES = 300
/** Without a bound 510 streams made pushes seven times as expensive. */
const MAX_RATIO = 3

/** Opens a stream of changes. @returns how it was answered */
async function follow(
  t: TestContext,
  { url }: FaultServer,
  { address, path = '/v2/_stowage/changes/stream' }: { address: string; path?: string },
): Promise<{ connection: RawConnection; status: number; text: string }> {
  const connection = await connect(t, url)
  await connection.send(head(`GET ${path}`, 'Connection: close', `X-Forwarded-For: ${address}`))
  const text = (await connection.received(/\r\n\r\n[\s\S]/)).toString()
  return { connection, status: Number(text.split(' ')[1]), text }
}

async function pushMany({ url, pid }: FaultServer): Promise<number> {
  const before = await processorSecondsOf(pid)
  for (let count = 0; count < PUSHES; count++) await pushImage(url, 'busy', `v${count}`)
  return (await processorSecondsOf(pid)) - before
}

test(
  'fault 60: followers are bounded by client address and in all, and one that goes makes room',
  PATIENCE,
  async (t) => {
    const args = ['--trusted-proxies', '127.0.0.1']
    const server = await startServer(t, { workers: 1, watched: false, args })
    const office: RawConnection[] = []
    for (let index = 0; index < OF_CLIENT; index++) {
      // Whoever has one of these addresses has all of them.
      const { status, connection } = await follow(t, server, { address: `2001:db8::${index.toString(16)}:1` })
      assert.equal(status, 200)
      office.push(connection)
    }
    const one = await follow(t, server, { address: '2001:db8:0:0:ffff::1' })
    assert.match(
      `${one.status} ${one.text}`,
      /^503 [\s\S]*Retry-After[\s\S]*512 other requests from the same address/i,
    )
    assert.equal((await follow(t, server, { address: '2001:db8:0:1::1' })).status, 200, 'another network')
    for (let index = OF_CLIENT + 1; index < IN_ALL; index++) {
      assert.equal((await follow(t, server, { address: '192.0.2.1' })).status, 200)
    }
    const last = await follow(t, server, { address: '198.51.100.1' })
    assert.match(`${last.status} ${last.text}`, /^503 [\s\S]*1024 other requests/)
    office.pop()?.destroy()
    while ((await follow(t, server, { address: '198.51.100.1' })).status !== 200);
    await pushImage(server.url, 'app', 'v1')
    for (const connection of office) connection.destroy()
    await server.close()
  },
)

test('fault 60: 500 idle streams cost pushes next to nothing', PATIENCE, async (t) => {
  const server = await startServer(t, { workers: 2, watched: false })
  await pushImage(server.url, 'quiet', 'v1')
  await pushMany(server)
  const alone = await pushMany(server)
  const path = '/v2/quiet/_stowage/changes/stream'
  for (let index = 0; index < IDLE; index++) {
    assert.equal((await follow(t, server, { address: '', path })).status, 200)
  }
  const followed = await pushMany(server)
  t.diagnostic(
    `seconds of processor time: ${alone} for ${PUSHES} pushes alone, ${followed} with ${IDLE} idle streams`,
  )
  assert.ok(followed < MAX_RATIO * alone, `${followed} s, and ${alone} s without streams`)
  await server.close()
})
