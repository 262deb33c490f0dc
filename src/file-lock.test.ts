import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { temporaryFolder } from '../test/stowage.ts'
import { type Program, startProgram } from '../test/suites/program.ts'
import { FileLockedError, lockFile } from './file-lock.ts'

/** Starts a process that locks a file and holds the lock until it is killed; it says `locked`, or the name of an error. */
async function startHolder(t: TestContext, path: string): Promise<Program> {
  return await startProgram(
    t,
    `import { lockFile } from ${JSON.stringify(new URL('./file-lock.ts', import.meta.url))}
    try {
      lockFile(${JSON.stringify(path)})
      process.stdout.write('locked')
      setInterval(() => {}, 1000)
    } catch (error) {
      process.stdout.write(error.name)
    }`,
  )
}

test('a file that another process has locked is refused until that process is killed', async (t) => {
  const path = join(await temporaryFolder(t), 'lock.sqlite')
  const holder = await startHolder(t, path)
  assert.equal(holder.said, 'locked')
  assert.throws(() => lockFile(path), FileLockedError)
  await holder.kill()
  lockFile(path).release()
})

test('a lock also excludes other code of the same process, until it is released', async (t) => {
  const path = join(await temporaryFolder(t), 'lock.sqlite')
  for (let turn = 0; turn < 3; turn++) {
    const { release } = lockFile(path)
    assert.throws(() => lockFile(path), FileLockedError)
    assert.throws(() => lockFile(path), FileLockedError)
    release()
  }
})

test('a process that was refused the lock does not take it from its holder', async (t) => {
  const path = join(await temporaryFolder(t), 'lock.sqlite')
  const { release } = lockFile(path)
  t.after(release)
  for (let turn = 0; turn < 2; turn++) {
    assert.throws(() => lockFile(path), FileLockedError)
    assert.equal((await startHolder(t, path)).said, 'FileLockedError')
  }
})

test('a lock that cannot be made at all does not count as locked', async (t) => {
  const folder = await temporaryFolder(t)
  await mkdir(join(folder, 'lock.sqlite'))
  for (const path of [join(folder, 'lock.sqlite'), join(folder, 'absent', 'lock.sqlite')]) {
    assert.throws(
      () => lockFile(path),
      (error) => !(error instanceof FileLockedError),
    )
  }
})
