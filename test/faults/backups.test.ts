import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { assertRefusedToStart, assertToldProblem } from '../cli/exit.ts'
import { assertServes, assertSound, serveImages } from '../cli/served-images.ts'
import { LAYER_SIZE } from '../images.ts'
import { storedFiles } from '../protocol/refusal.ts'

test('fault 62: a backup can be made of a stopped server, of one that crashed, and of a backup', async (t) => {
  const { sandbox, server, images } = await serveImages(t)
  server.signal('SIGKILL')
  await server.ended
  for (const [from, to] of [
    ['data', 'one'],
    ['one', 'two'],
  ] as const) {
    const exit = await sandbox.run(['backup', '--json', '--to', to, '--data', from])
    assert.equal(exit.code, 0, exit.stderr)
    const { seconds, databaseBytes, ...told } = JSON.parse(exit.stdout)
    assert.ok(seconds > 0 && databaseBytes > 0)
    const wanted = { to: join(sandbox.folder, to), blobs: 2, bytes: 2 * LAYER_SIZE, lost: 0, uploads: 0 }
    assert.deepEqual(told, wanted)
  }
  await assertSound(sandbox, 'two')
  await assertServes(sandbox, 'two', images)
  await assertServes(sandbox, 'data', images)
})

test('fault 62: a blob whose file is missing is named, and the backup has all the others', async (t) => {
  const { sandbox, images, data } = await serveImages(t)
  const [lost = ''] = await storedFiles(data)
  await rm(join(data, 'blobs', lost.slice(0, 2), lost))
  const exit = await sandbox.run(['backup', '--to', 'backup', '--data', 'data'])
  assert.equal(exit.code, 1)
  assert.match(exit.stdout, /^backed up 1 blob with /)
  assert.match(
    exit.stderr,
    /^not in the backup: blob (sha256:\w+) of (?:app|team\/tool): its file is missing\nstowage: 1 blob is not in the backup; .*\n$/,
  )
  const named = /sha256:\w+/.exec(exit.stderr)?.[0]
  const kept = images.filter(({ layer }) => layer !== named)
  assert.equal(kept.length, 1)
  await assertServes(sandbox, 'backup', kept, /^[^\n]*"lost":1[^\n]*\n$/)
})

test('fault 62: a backup goes only to an empty folder outside of the data folder, and touches nothing else', async (t) => {
  const { sandbox, server } = await serveImages(t)
  await mkdir(join(sandbox.folder, 'used'))
  await writeFile(join(sandbox.folder, 'used/precious'), 'precious')
  await writeFile(join(sandbox.folder, 'file'), 'precious')
  await mkdir(join(sandbox.folder, 'empty'))
  for (const [to, problem] of [
    ['used', /used is not empty/],
    ['file', /file cannot be used for a backup: a part of its path is a file/],
    ['data/backup', /is inside the data folder/],
    ['data', /is not empty/],
  ] as const) {
    const exit = await sandbox.run(['backup', '--to', to, '--data', 'data'])
    assertToldProblem(exit, 2, problem)
  }
  assertToldProblem(
    await sandbox.run(['backup', '--to', 'x', '--data', 'empty']),
    2,
    /empty is not a data folder/,
  )
  assert.equal((await sandbox.run(['backup', '--data', 'data'])).code, 2)
  assert.deepEqual((await readdir(sandbox.folder)).sort(), ['data', 'empty', 'file', 'used'])
  assert.deepEqual(await readdir(join(sandbox.folder, 'used')), ['precious'])
  const exit = await sandbox.run(['backup', '--to', 'empty', '--data', 'data'])
  assert.equal(exit.code, 0, exit.stderr)
  server.signal('SIGTERM')
  const ended = await server.ended
  assert.equal(ended.code, 0, ended.stderr)
})

test('fault 62: a backup speaks only to the server of its own folder, and says what to do where it finds none', async (t) => {
  const { sandbox } = await serveImages(t)
  const other = await sandbox.serve('other', ['--workers', '1', '--admin-socket', 'other.sock'])
  const backUp = (...args: string[]) => sandbox.run(['backup', '--to', 'backup', ...args])
  assertToldProblem(
    await backUp('--data', 'data', '--admin-socket', 'other.sock'),
    1,
    /the server on \S+other\.sock does not use \S+data; specify the right socket/,
  )
  assertToldProblem(
    await backUp('--data', 'other'),
    1,
    /a server uses \S+other, .* specify its socket with --admin-socket/,
  )
  const exit = await backUp('--data', 'other', '--admin-socket', 'other.sock')
  assert.equal(exit.code, 0, exit.stderr)
  other.signal('SIGTERM')
  await other.ended
  await assertSound(sandbox, 'backup')
})

test('fault 62: an unfinished backup is not served, checked or copied', async (t) => {
  const { sandbox, server } = await serveImages(t)
  assert.equal((await sandbox.run(['backup', '--to', 'backup', '--data', 'data'])).code, 0)
  server.signal('SIGTERM')
  await server.ended
  await writeFile(join(sandbox.folder, 'backup/unfinished-backup'), '')
  const unfinished = /backup is an incomplete backup; delete it and make another one/
  assertRefusedToStart(
    await sandbox.run(['serve', '--listen', '127.0.0.1:0', '--data', 'backup']),
    unfinished,
  )
  assertToldProblem(await sandbox.run(['check', '--data', 'backup']), 1, unfinished)
  assertToldProblem(await sandbox.run(['backup', '--data', 'backup', '--to', 'copy']), 1, unfinished)
  assertToldProblem(
    await sandbox.run(['backup', '--data', 'data', '--to', 'backup']),
    2,
    /contains an incomplete backup/,
  )
})

test('fault 62: of backups that are made in one folder at once, one is whole, and the others touch nothing of it', async (t) => {
  const { sandbox, images } = await serveImages(t)
  const backUp = () => sandbox.run(['backup', '--to', 'backup', '--data', 'data'])
  const exits = await Promise.all([backUp(), backUp(), backUp()])
  const refused = exits.filter(({ code }) => code !== 0)
  assert.equal(refused.length, 2)
  for (const exit of refused)
    assertToldProblem(exit, 2, /another backup is being made in|contains an incomplete backup|is not empty/)
  await assertSound(sandbox, 'backup')
  await assertServes(sandbox, 'backup', images)
})

/** The script of the page for operators, with the folders of a sandbox. */
async function nightlyScript(folder: string): Promise<string> {
  const page = await readFile(new URL('../../docs/operations/backup.md', import.meta.url), 'utf8')
  const script = /```sh\n(#!\/bin\/sh\n[^`]+)```/.exec(page)?.[1] ?? ''
  const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
  return script
    .replaceAll('/var/lib/stowage', join(folder, 'data'))
    .replaceAll('/srv/backup', join(folder, 'nightly'))
    .replaceAll('\nstowage ', `\n'${process.execPath}' --disable-warning=ExperimentalWarning '${main}' `)
}

test('fault 62: the script of the page on backups keeps the last seven, and none of them goes for one that is not good', async (t) => {
  const { sandbox, images, data } = await serveImages(t)
  const nightly = join(sandbox.folder, 'nightly')
  for (let day = 10; day < 19; day++) await mkdir(join(nightly, `2026-01-${day}T031000`), { recursive: true })
  const script = join(sandbox.folder, 'script')
  await writeFile(script, await nightlyScript(sandbox.folder))
  execFileSync('sh', [script], { stdio: 'pipe' })
  const kept = (await readdir(nightly)).sort()
  assert.equal(kept.length, 7)
  assert.equal(kept[0], '2026-01-13T031000')
  const [lost = ''] = await storedFiles(data)
  await rm(join(data, 'blobs', lost.slice(0, 2), lost))
  assert.throws(() => execFileSync('sh', [script], { stdio: 'pipe' }))
  assert.deepEqual((await readdir(nightly)).sort().slice(0, 7), kept)
  await assertServes(sandbox, `nightly/${kept[6]}`, images)
})
