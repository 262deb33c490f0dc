import assert from 'node:assert/strict'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { assertRefusedToStart } from '../cli/exit.ts'
import { openSandbox } from '../cli/program.ts'
import { beginUpload } from '../protocol/upload-requests.ts'
import { NO_FIGURES } from './process-figures.ts'
import { startServer } from './start-server.ts'

const PATIENCE = { timeout: 300_000 }
const LOOPBACK = ['0100007F', '00000000000000000000000001000000']

/** The addresses, as Linux writes them, on which anything listens on a port. */
async function addressesOn(port: number): Promise<string[]> {
  const tables = await Promise.all(['tcp', 'tcp6'].map((name) => readFile(`/proc/net/${name}`, 'utf8')))
  const rows = tables.flatMap((table) => table.trim().split('\n').slice(1))
  const local = rows.map((row) => row.trim().split(/\s+/)).filter(([, , , state]) => state === '0A')
  const sockets = local.map(([, address = '']) => address.split(':'))
  return sockets.filter(([, hex = '']) => Number.parseInt(hex, 16) === port).map(([address = '']) => address)
}

test('fault 37: a server without settings listens on loopback', PATIENCE, async (t) => {
  const sandbox = await openSandbox(t)
  const started = sandbox.start(['serve'])
  // Another program may have the port; then it says so, with the address that it wanted.
  const said = await Promise.race([
    started.wrote('stdout', /listens on (\S+)/).then(([, url]) => url),
    started.ended,
  ])
  if (typeof said === 'string') assert.equal(said, 'http://127.0.0.1:5000')
  else assert.match(said?.stderr ?? '', /^stowage: 127\.0\.0\.1:5000 is already in use/)
})

test('fault 37: nothing listens on the port of a server but on loopback', {
  ...PATIENCE,
  skip: NO_FIGURES,
}, async (t) => {
  const server = await startServer(t)
  const addresses = await addressesOn(Number(new URL(server.url).port))
  assert.ok(addresses.length > 0)
  for (const address of addresses) assert.ok(LOOPBACK.includes(address), address)
  await server.close()
})

test('fault 37: any other address needs --allow-anonymous', PATIENCE, async (t) => {
  const sandbox = await openSandbox(t)
  for (const address of ['0.0.0.0:0', '[::]:0', ':0', '192.0.2.1:0', 'registry.test:0']) {
    const exit = await sandbox.run(['serve', '--listen', address, '--data', 'data'])
    assertRefusedToStart(exit, /--listen .*--allow-anonymous/)
  }
  const allowed = sandbox.start(['serve', '--listen', '0.0.0.0:0', '--data', 'data', '--allow-anonymous'])
  await allowed.wrote('stdout', /listens on http:\/\/0\.0\.0\.0:\d+\n/)
})

test('fault 37: each data folder has its own secret, which no other user may read', PATIENCE, async (t) => {
  const [one, other] = await Promise.all([startServer(t), startServer(t)])
  const upload = await beginUpload(one.url, 'app')
  assert.equal((await fetch(upload)).status, 204)
  assert.equal((await fetch(new URL(upload.pathname, other.url))).status, 404)
  await Promise.all([one.close(), other.close()])
  const secrets = [one, other].map(({ data }) => secretOf(data))
  assert.ok(!secrets[0]?.equals(secrets[1] ?? Buffer.alloc(0)))
  for (const { data } of [one, other]) assert.equal((await stat(data)).mode & 0o077, 0)
  const again = await one.restart()
  assert.equal((await fetch(new URL(upload.pathname, again.url))).status, 204, 'the secret was kept')
  await again.close()
})

/** The key that authenticates uploads. */
function secretOf(data: string): Buffer {
  const database = new DatabaseSync(join(data, 'metadata.sqlite'), { readOnly: true })
  try {
    const row = database.prepare(`SELECT value FROM settings WHERE name = 'secret'`).get()
    const secret = Buffer.from(row?.value as Uint8Array)
    assert.equal(secret.length, 32)
    assert.ok(new Set(secret).size > 8, 'it is random')
    return secret
  } finally {
    database.close()
  }
}
