import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { temporaryFolder } from '../../../test/stowage.ts'
import { type Program, startProgram } from '../../../test/suites/program.ts'
import { FolderInUseError, lockFolder } from './folder-lock.ts'

/** Starts a process that locks a folder and holds it until it is killed; it says `locked`, or the name of an error. */
async function startHolder(t: TestContext, path: string): Promise<Program> {
  return await startProgram(
    t,
    `import { lockFolder } from ${JSON.stringify(new URL('./folder-lock.ts', import.meta.url))}
    try {
      lockFolder(${JSON.stringify(path)})
      process.stdout.write('locked')
      setInterval(() => {}, 1000)
    } catch (error) {
      process.stdout.write(error.name)
    }`,
  )
}

test('a folder that another process holds is refused until that process is killed', async (t) => {
  const path = join(await temporaryFolder(t), 'lock.sqlite')
  const holder = await startHolder(t, path)
  assert.equal(holder.said, 'locked')
  assert.throws(() => lockFolder(path), FolderInUseError)
  await holder.kill()
  lockFolder(path).release()
})

test('a folder is held by one in the same process too, until it is released', async (t) => {
  const path = join(await temporaryFolder(t), 'lock.sqlite')
  for (let turn = 0; turn < 3; turn++) {
    const { release } = lockFolder(path)
    assert.throws(() => lockFolder(path), FolderInUseError)
    assert.throws(() => lockFolder(path), FolderInUseError)
    release()
  }
})

test('a process that was refused a folder does not take the lock from who holds it', async (t) => {
  const path = join(await temporaryFolder(t), 'lock.sqlite')
  const { release } = lockFolder(path)
  t.after(release)
  for (let turn = 0; turn < 2; turn++) {
    assert.throws(() => lockFolder(path), FolderInUseError)
    assert.equal((await startHolder(t, path)).said, 'FolderInUseError')
  }
})

test('a lock that cannot be made at all is no folder in use', async (t) => {
  const folder = await temporaryFolder(t)
  await mkdir(join(folder, 'lock.sqlite'))
  for (const path of [join(folder, 'lock.sqlite'), join(folder, 'absent', 'lock.sqlite')]) {
    assert.throws(
      () => lockFolder(path),
      (error) => !(error instanceof FolderInUseError),
    )
  }
})
