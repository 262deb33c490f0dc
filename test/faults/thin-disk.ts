import { execFileSync } from 'node:child_process'
import { appendFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

/** A real disk that promises more than it has: a sync of what it can't keep fails with an I/O error. */
export interface ThinDisk {
  readonly folder: string
  /** Takes what there is; what is written from now on to new places is not kept. */
  exhaust(): void
  relieve(): Promise<void>
  /** Forgets what is in memory, as a power cut does; nobody may have a file of it open. */
  remount(): void
}

/** Mounts such a disk until the test ends; this needs to be root. */
export async function thinDisk(test: Pick<TestContext, 'after'>): Promise<ThinDisk> {
  const parent = await mkdtemp(join(tmpdir(), 'stowage-thin-'))
  const [backing, folder] = [join(parent, 'backing'), join(parent, 'disk')]
  const [image, ballast] = [join(backing, 'image'), join(backing, 'ballast')]
  for (const path of [backing, folder]) await mkdir(path)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', backing])
  execFileSync('truncate', ['--size', '64M', image])
  execFileSync('mkfs.ext2', ['-q', '-F', '-b', '4096', image])
  const mount = () => execFileSync('mount', ['-o', 'loop', image, folder])
  mount()
  test.after(async () => {
    execFileSync('umount', ['--lazy', folder])
    execFileSync('umount', ['--lazy', backing])
    for (const path of [backing, folder, parent]) await rmdir(path)
  })
  return {
    folder,
    exhaust() {
      try {
        for (;;) appendFileSync(ballast, Buffer.alloc(4096))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      }
    },
    relieve: () => rm(ballast),
    remount() {
      execFileSync('umount', [folder])
      mount()
    },
  }
}
