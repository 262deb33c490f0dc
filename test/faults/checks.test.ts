import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import {
  chmod,
  chown,
  copyFile,
  cp,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { assertRefusedToStart, assertToldProblem } from '../cli/exit.ts'
import { openSandbox, type ProgramOptions, type Sandbox, type ServingProgram } from '../cli/program.ts'
import { pushBlob } from '../content.ts'
import { assertAllWhole, LAYER_SIZE, pushRandomImage } from '../images.ts'
import { garbageKeys, storedFiles } from '../protocol/refusal.ts'
import { beginUpload, patchUpload } from '../protocol/upload-requests.ts'
import { pushOn } from './push-load.ts'

const PATIENCE = { timeout: 300_000 }
const AS_ROOT = process.getuid?.() === 0 ? false : 'only root may be another user, or mount a disk'
const OTHER_USER = { uid: 65_534, gid: 65_534 }
const HOUR = 3_600_000

interface Story {
  sandbox: Sandbox
  server: ServingProgram
  data: string
}

/** A server with some images. */
async function begin(t: TestContext, count = 4): Promise<Story> {
  const sandbox = await openSandbox(t)
  const server = await sandbox.serve('data', ['--workers', '2'], { nodeFlags: [] })
  for (let turn = 0; turn < count; turn++) await pushRandomImage(server.url, 'app', `v${turn}`)
  return { sandbox, server, data: join(sandbox.folder, 'data') }
}

async function end(server: ServingProgram, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  server.signal(signal)
  await server.ended
}

interface Report {
  sound: boolean
  database: { problems: number; examples: string[] }
  blobs: {
    whole: number
    bytes: number
    lost: number
    examples: { digest: string; problem: string; repositories: string[] }[]
  }
  orphans: {
    files: number
    bytes: number
    young: number
    deleted: number
    freed: number
    foreign: number
  } | null
}

/** Checks a folder, and holds its exit code against its report. */
async function check(
  sandbox: Sandbox,
  args: readonly string[] = [],
  programOptions: ProgramOptions = {},
): Promise<Report> {
  const { code, stdout, stderr } = await sandbox.run(
    ['check', '--json', '--data', 'data', ...args],
    programOptions,
  )
  assert.equal(stderr, '')
  const report = JSON.parse(stdout) as Report
  assert.equal(code, report.sound ? 0 : 1)
  return report
}

function pathOf(data: string, key: string): string {
  return join(data, 'blobs', key.slice(0, 2), key)
}

async function flipByte(path: string, position: number): Promise<void> {
  const file = await open(path, 'r+')
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, position)
  await file.write(Buffer.from([(buffer[0] ?? 0) ^ 0xff]), 0, 1, position)
  await file.close()
}

test(
  'fault 64: a check finds files that are missing, cut, and with --full a bit that is wrong, and names their repositories',
  PATIENCE,
  async (t) => {
    const { sandbox, data } = await begin(t)
    assert.deepEqual(
      await check(sandbox, ['--full']).then(({ sound, blobs }) => [sound, blobs.whole, blobs.bytes]),
      [true, 4, 4 * LAYER_SIZE],
    )
    const [gone = '', cut = '', flipped = ''] = await storedFiles(data)
    await rm(pathOf(data, gone))
    await truncate(pathOf(data, cut), LAYER_SIZE - 1)
    await flipByte(pathOf(data, flipped), 5000)
    const problems = ({ blobs }: Report) => blobs.examples.map(({ problem }) => problem).sort()
    const found = await check(sandbox)
    assert.deepEqual(problems(found), [
      'its file has 99999 bytes instead of 100000',
      'its file is missing, or this user cannot read it',
    ])
    const all = await check(sandbox, ['--full'])
    assert.deepEqual(problems(all), ['its bytes do not match its digest', ...problems(found)])
    assert.deepEqual([all.blobs.whole, all.blobs.lost, all.database.problems], [1, 3, 0])
    for (const { digest, repositories } of all.blobs.examples) {
      assert.match(digest, /^sha256:/)
      assert.deepEqual(repositories, ['app'])
    }
    const { code, stdout } = await sandbox.run(['check', '--full', '--data', 'data'])
    assert.equal(code, 1)
    assert.match(
      stdout,
      /^(?:blob sha256:\w+ of app: its .*\n){3}database: sound\nblobs: 1 blob with 97\.7 KiB hashed, 3 lost\norphans: none\nnot sound\n$/,
    )
  },
)

test(
  'fault 64: a check finds a database that is damaged, cut, or without its log, and none of these changes',
  PATIENCE,
  async (t) => {
    const { sandbox, server, data } = await begin(t)
    const path = join(data, 'metadata.sqlite')
    await mkdir(join(sandbox.folder, 'torn'))
    await copyFile(path, join(sandbox.folder, 'torn/metadata.sqlite'))
    await cp(join(data, 'blobs'), join(sandbox.folder, 'torn/blobs'), { recursive: true })
    await end(server)
    const whole = await readFile(path)
    const damage = {
      'a page of zeros': () => zeroPage(path, 5),
      'its header': () => zeroPage(path, 0),
      'its end': () => truncate(path, 8192),
    }
    for (const [what, make] of Object.entries(damage)) {
      await make()
      const damaged = await readFile(path)
      const report = await check(sandbox)
      assert.ok(!report.sound && report.database.problems > 0, what)
      assert.equal(report.orphans, null)
      const kept = await storedFiles(data)
      assert.equal((await check(sandbox, ['--delete-orphans'])).orphans, null)
      assert.deepEqual(await storedFiles(data), kept)
      assert.deepEqual(await readFile(path), damaged)
      await writeFile(path, whole)
    }
    const torn = await check(sandbox, ['--data', 'torn'])
    assert.deepEqual(torn.database.examples[0], 'its write-ahead log metadata.sqlite-wal is missing')
    assert.deepEqual((await readdir(join(sandbox.folder, 'torn'))).sort(), ['blobs', 'metadata.sqlite'])
    const start = await sandbox.run(['serve', '--listen', '127.0.0.1:0', '--data', 'torn'])
    assertRefusedToStart(start, /its write-ahead log metadata\.sqlite-wal is missing/)
  },
)

async function zeroPage(path: string, page: number): Promise<void> {
  const file = await open(path, 'r+')
  await file.write(Buffer.alloc(4096), 0, 4096, page * 4096)
  await file.close()
}

test('fault 64: orphans are counted, and deleted on request, and nothing else is', PATIENCE, async (t) => {
  const { sandbox, server, data } = await begin(t)
  const upload = await beginUpload(server.url, 'app')
  assert.equal((await patchUpload(upload, randomBytes(LAYER_SIZE))).status, 202)
  const unused = await pushBlob(server.url, 'app', randomBytes(LAYER_SIZE))
  const deleted = await fetch(`${server.url}/v2/app/blobs/${unused}`, { method: 'DELETE' })
  assert.equal(deleted.status, 202)
  assert.equal(garbageKeys(data).length, 1)
  const named = await storedFiles(data)
  assert.equal(named.length, 6)

  const [orphan, young] = ['ab'.repeat(16), 'cd'.repeat(16)]
  const precious = join(sandbox.folder, 'precious')
  await writeFile(precious, 'precious')
  await writeFile(pathOf(data, orphan), 'left behind')
  await writeFile(pathOf(data, young), 'left behind')
  await writeFile(join(data, 'blobs/ab/notes'), 'mine')
  await writeFile(join(data, 'blobs/ab', '12'.repeat(16)), 'in the wrong folder')
  await symlink(precious, pathOf(data, 'ef'.repeat(16)))
  await mkdir(join(sandbox.folder, 'elsewhere'))
  await writeFile(join(sandbox.folder, 'elsewhere', '99'.repeat(16)), 'precious')
  await rename(join(data, 'blobs/99'), join(data, 'blobs/98.old'))
  await symlink(join(sandbox.folder, 'elsewhere'), join(data, 'blobs/99'))
  const all = await storedFiles(data)
  for (const key of all.filter((name) => name !== young && name !== '99'.repeat(16)))
    await utimes(pathOf(data, key), 0, 0).catch(() => {})
  await utimes(precious, 0, 0)

  const counted = { files: 2, bytes: 22, young: 1, deleted: 0, freed: 0, foreign: 5 }
  assert.deepEqual((await check(sandbox)).orphans, counted)
  assert.deepEqual((await check(sandbox, ['--delete-orphans'])).orphans, {
    ...counted,
    deleted: 1,
    freed: 11,
  })
  assert.deepEqual(
    await storedFiles(data),
    all.filter((name) => name !== orphan),
  )
  assert.equal(await readFile(precious, 'utf8'), 'precious')
  assert.deepEqual(await readdir(join(sandbox.folder, 'elsewhere')), ['99'.repeat(16)])
})

test(
  'fault 64: a file that is being created is not an orphan, even if the clock says that it is old',
  PATIENCE,
  async (t) => {
    const { sandbox, server } = await begin(t)
    const clock = join(sandbox.folder, 'clock')
    await writeFile(clock, String(2 * HOUR))
    const env = {
      STOWAGE_CLOCK_FILE: clock,
      NODE_OPTIONS: `--disable-warning=ExperimentalWarning --import=${new URL('./jumping-clock.ts', import.meta.url)}`,
    }
    const stop = pushOn(server.url)
    for (let turn = 0; turn < 4; turn++) {
      const { sound, orphans, blobs } = await check(sandbox, ['--delete-orphans'], { env })
      assert.deepEqual([sound, blobs.lost, orphans?.files, orphans?.deleted], [true, 0, 0, 0])
    }
    t.diagnostic(`${await stop()} images were pushed meanwhile`)
    await assertAllWhole(server.url)
  },
)

test(
  'fault 64: orphans are left where the database does not know its folder of blobs',
  PATIENCE,
  async (t) => {
    const { sandbox, server, data } = await begin(t)
    await end(server)
    await rename(join(data, 'blobs'), join(sandbox.folder, 'away'))
    const other = await sandbox.serve('other', ['--workers', '1'])
    await pushRandomImage(other.url, 'app', 'v1')
    await end(other)
    await rename(join(sandbox.folder, 'other/blobs'), join(data, 'blobs'))
    const files = await storedFiles(data)
    for (const key of files) await utimes(pathOf(data, key), 0, 0)
    const { sound, orphans, database } = await check(sandbox, ['--delete-orphans'])
    assert.deepEqual([sound, orphans], [false, null])
    assert.match(
      database.examples[0] ?? '',
      /blobs is not the blob folder of this database; is its disk mounted\?/,
    )
    assert.deepEqual(await storedFiles(data), files)
  },
)

/** What a check must leave as it is: names, owners, modes, and what a server would miss. @param isServed whether a server may write */
async function stateOf(data: string, isServed: boolean): Promise<string[]> {
  // The index of a log is rebuilt by whatever reads it, and a server adds to its log at any time, as when it has counted.
  const changing = isServed ? ['-shm', '-wal'] : ['-shm']
  const names = (await readdir(data)).sort()
  return await Promise.all(
    names.map(async (name) => {
      const { uid, gid, mode, size } = await stat(join(data, name))
      const isChanging = changing.some((end) => name.endsWith(end))
      return [name, uid, gid, mode, isChanging ? '' : size].join(' ')
    }),
  )
}

test('fault 64: a check by root or by another user leaves no file behind and changes none', {
  ...PATIENCE,
  skip: AS_ROOT,
}, async (t) => {
  const sandbox = await openSandbox(t)
  const data = join(sandbox.folder, 'data')
  await mkdir(data)
  await chown(data, OTHER_USER.uid, OTHER_USER.gid)
  const serve = () =>
    sandbox.serve('data', ['--workers', '1'], {
      ...OTHER_USER,
      nodeFlags: [],
      env: { NODE_COMPILE_CACHE: join(sandbox.folder, 'cache') },
    })
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const server = await serve()
    await pushRandomImage(server.url, 'app', 'v1')
    await assertUntouched(sandbox, data, true)
    await end(server, signal)
    await assertUntouched(sandbox, data, false)
  }
  await chmod(data, 0o755)
  const foreign = await sandbox.run(['check', '--data', 'data'], { uid: 1, gid: 1 })
  assertToldProblem(foreign, 1, /this user cannot read it: lock\.sqlite belongs to user 65534 with mode 0600/)
  await end(await serve())
})

/** Fails unless a check as root, and a backup, find all sound and leave the folder as it was. */
async function assertUntouched(sandbox: Sandbox, data: string, isServed: boolean): Promise<void> {
  const before = await stateOf(data, isServed)
  const database = await readFile(join(data, 'metadata.sqlite'))
  assert.ok((await check(sandbox, ['--full'])).sound)
  assert.deepEqual(await stateOf(data, isServed), before)
  const { code, stderr } = await sandbox.run(['backup', '--to', 'backup', '--data', 'data'])
  assert.equal(`${code} ${stderr}`, '0 ')
  assert.deepEqual(await stateOf(data, isServed), before)
  assert.deepEqual(await readFile(join(data, 'metadata.sqlite')), database)
  await rm(join(sandbox.folder, 'backup'), { recursive: true })
}

test('fault 64: a folder on a disk that is read-only is checked and backed up, after a stop and after a crash', {
  ...PATIENCE,
  skip: AS_ROOT,
}, async (t) => {
  const { sandbox, server, data } = await begin(t)
  // In a namespace of its own, so that nothing stays mounted.
  const mounted = `mount --bind '${data}' '${data}' && mount -o remount,bind,ro '${data}' && exec "$@"`
  const programOptions = { launcher: ['unshare', '--mount', 'sh', '-c', mounted, 'sh'] }
  const assertReadable = async (backup: string) => {
    assert.ok((await check(sandbox, ['--full'], programOptions)).sound)
    const { code, stderr } = await sandbox.run(['backup', '--to', backup, '--data', 'data'], programOptions)
    assert.equal(`${code} ${stderr}`, '0 ')
    assert.equal((await check(sandbox, ['--data', backup])).blobs.whole, 4)
  }
  await end(server, 'SIGKILL')
  await assertReadable('one')
  await end(await sandbox.serve('data'))
  await assertReadable('two')
})
