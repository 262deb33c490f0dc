import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openSandbox } from '../cli/program.ts'
import { pushImage } from '../content.ts'
import { head, sendRaw } from '../protocol/raw-request.ts'

/** For tests in which a hang is the failure. */
const HANG = { timeout: 240_000 }
const HOSTS = 1_000
const MAX_LOGGED = 256

test(
  'fault 58: a page whose name was resolved to this machine reads and writes nothing, and each name is logged once',
  HANG,
  async (t) => {
    const sandbox = await openSandbox(t)
    const flags = ['--workers', '2', '--allow-anonymous', '--allowed-hosts', 'registry.test']
    const server = await sandbox.serve('data', flags)
    await pushImage(server.url, 'app', 'v1')
    for (let round = 0; round < 6; round++) {
      for (const host of ['evil.test', 'evil.test:5000', 'localhost.evil.test']) {
        for (const line of ['GET /v2/app/manifests/v1', 'DELETE /v2/app/manifests/v1', 'GET /v2/_catalog']) {
          const answer = await sendRaw(
            t,
            server.url,
            head(line, `Host: ${host}`, 'Sec-Fetch-Site: same-origin'),
          )
          assert.equal(answer.status, 421, `${host} ${line}`)
          assert.match(answer.body.toString(), /--allowed-hosts/)
        }
      }
    }
    assert.equal(
      (await sendRaw(t, server.url, head('GET /v2/app/manifests/v1', 'Host: registry.test'))).status,
      200,
    )
    for (let index = 0; index < HOSTS; index++) {
      await sendRaw(t, server.url, head('GET /v2/', `Host: ${index}.evil.test`))
    }
    server.signal('SIGTERM')
    const { code, stdout, stderr } = await server.ended
    assert.equal(code, 0)
    const logged: string[] = `${stdout}${stderr}`.match(/"host":"[^"]*"/g) ?? []
    assert.equal(new Set(logged).size, logged.length, 'each once')
    for (const host of ['evil.test', 'localhost.evil.test']) assert.ok(logged.includes(`"host":"${host}"`))
    assert.ok(logged.length <= MAX_LOGGED, `${logged.length} lines`)
  },
)
