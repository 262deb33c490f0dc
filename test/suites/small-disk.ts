import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

/** Mounts a real file system of one megabyte until the test ends; this needs to be root. @returns its folder */
export async function smallDisk(test: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'stowage-disk-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder])
  test.after(async () => {
    execFileSync('umount', ['--lazy', folder])
    await rmdir(folder)
  })
  return folder
}

/** Mounts a real ext4 file system in a file until the test ends, with nothing set aside for root; this needs to be root. @returns its folder */
export async function loopDisk(test: Pick<TestContext, 'after'>, mebibytes: number): Promise<string> {
  const parent = await mkdtemp(join(tmpdir(), 'stowage-loop-'))
  const [image, folder] = [join(parent, 'image'), join(parent, 'disk')]
  await mkdir(folder)
  execFileSync('truncate', ['--size', `${mebibytes}M`, image])
  execFileSync('mkfs.ext4', ['-q', '-F', '-m', '0', image])
  execFileSync('mount', ['-o', 'loop', image, folder])
  test.after(async () => {
    execFileSync('umount', ['--lazy', folder])
    await rm(parent, { recursive: true })
  })
  return folder
}
