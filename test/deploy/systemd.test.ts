import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { askSocket } from '../cli/socket-client.ts'
import { temporaryFolder } from '../stowage.ts'

const PROJECT = join(import.meta.dirname, '../..')
/** Where the unit has the checkout. */
const INSTALLED = '/opt/stowage'
/** For tests in which a hang is the failure. */
const HANG = { timeout: 240_000 }

async function readUnit(name: string): Promise<string> {
  const text = await readFile(join(PROJECT, 'deploy', name), 'utf8')
  return text.replaceAll(INSTALLED, PROJECT)
}

test('systemd finds nothing wrong with the units', HANG, async (t) => {
  const folder = await temporaryFolder(t)
  const files = ['stowage.service', 'stowage.socket'].map((name) => join(folder, name))
  for (const file of files) await writeFile(file, await readUnit(file.slice(folder.length + 1)))
  const { stderr } = await promisify(execFile)('systemd-analyze', ['verify', '--man=no', ...files])
  assert.equal(stderr, '')
})

test('the command of the unit listens on the socket that systemd passes', HANG, async (t) => {
  const folder = await temporaryFolder(t)
  const unit = await readUnit('stowage.service')
  const command = /^ExecStart=(.+)$/m.exec(unit)?.[1]?.split(' ') ?? []
  const data = join(folder, 'data')
  await mkdir(data)
  const socket = join(folder, 'stowage.sock')
  const flags = ['--listen', socket, `--setenv=STOWAGE_DATA=${data}`]
  const child = spawn('systemd-socket-activate', [...flags, ...command], {
    cwd: PROJECT,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(() => child.kill('SIGKILL'))
  let told = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    told += text
  })
  while (!told.includes('Listening on')) await once(child.stderr, 'data')
  // Whoever comes first is why the server is started, and waits for it.
  assert.equal((await askSocket(socket, '/readyz')).status, 200)
  child.kill('SIGTERM')
  const [code] = await once(child, 'exit')
  assert.equal(code, 0, told)
})
