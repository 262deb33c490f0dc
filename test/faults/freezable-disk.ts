import { execFileSync } from 'node:child_process'
import type { TestContext } from 'node:test'
import { loopDisk } from '../suites/small-disk.ts'

/** A real file system that can be made to stand still: whoever writes to it waits, and can't even be killed, until it goes on. */
export interface FreezableDisk {
  readonly folder: string
  freeze(): void
  thaw(): void
}

/** Why no file system can be frozen on this machine; false if one can. */
export const NO_FREEZING = whyNot()

function whyNot(): string | false {
  if (process.getuid?.() !== 0) return 'only root may freeze a file system'
  try {
    execFileSync('fsfreeze', ['--version'], { stdio: 'ignore' })
    return false
  } catch {
    return 'there is no fsfreeze'
  }
}

/** Mounts such a disk until the test ends. It must be asked for before the program that uses it is started: it goes on before that is ended. */
export async function freezableDisk(
  test: Pick<TestContext, 'after'>,
  mebibytes: number,
): Promise<FreezableDisk> {
  let folder: string | undefined
  let isFrozen = false
  const set = (flag: '--freeze' | '--unfreeze') => {
    execFileSync('fsfreeze', [flag, folder ?? ''])
    isFrozen = flag === '--freeze'
  }
  const thaw = () => isFrozen && set('--unfreeze')
  test.after(() => void thaw())
  folder = await loopDisk(test, mebibytes)
  return { folder, freeze: () => set('--freeze'), thaw: () => void thaw() }
}
