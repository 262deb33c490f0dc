import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pushImage } from '../content.ts'
import { connect, head, type RawConnection } from '../protocol/raw-request.ts'
import { descriptorsOf, NO_FIGURES, settlesAt } from './process-figures.ts'
import { startServer } from './start-server.ts'

const PATIENCE = { timeout: 120_000, skip: NO_FIGURES }
const LIMIT = 50
/** The push before has some as well. */
const WITHIN = 40
const BEYOND = 200
/** What two threads hold of connections that are too many, and a little noise. */
const MAX_MORE = LIMIT + 2 * 32 + 10

test(
  'fault 59: connections beyond the limit get 503 and end, the liveness probe is answered, and the others continue',
  PATIENCE,
  async (t) => {
    const server = await startServer(t, { workers: 2, args: ['--max-connections', String(LIMIT)] })
    await pushImage(server.url, 'app', 'v1')
    const before = await descriptorsOf(server.pid)
    const within: RawConnection[] = []
    for (let index = 0; index < WITHIN; index++) {
      const connection = await connect(t, server.url)
      await connection.send(head('GET /v2/app/manifests/v1'))
      assert.equal((await connection.response()).status, 200, `connection ${index}`)
      within.push(connection)
    }
    // They say nothing, and make room for each other.
    for (let index = 0; index < BEYOND; index++) await connect(t, server.url)
    const most = await settlesAt('descriptors', before + MAX_MORE, () => descriptorsOf(server.pid))
    assert.ok(most >= before + WITHIN, `${most} descriptors, after ${before}`)

    const refused = await connect(t, server.url)
    await refused.send(head('GET /v2/app/manifests/v1'))
    const answer = await refused.response()
    assert.deepEqual(
      [answer.status, answer.codes(), answer.headers['retry-after'], answer.headers.connection],
      [503, ['UNAVAILABLE'], '5', 'close'],
    )
    assert.equal((await refused.ended()).by, 'end')
    const probe = await connect(t, server.url)
    await probe.send(head('GET /livez'))
    assert.equal((await probe.response()).status, 200)

    for (const connection of within) {
      await connection.send(head('GET /v2/app/manifests/v1'))
      assert.equal((await connection.response()).status, 200)
      connection.destroy()
    }
    await settlesAt('descriptors', before + 4, () => descriptorsOf(server.pid))
    await pushImage(server.url, 'app', 'v2')
    await server.close()
  },
)
