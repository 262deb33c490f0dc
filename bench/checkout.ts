import { execFile } from 'node:child_process'
import { rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { OptionError } from './options.ts'
import { PROJECT } from './systems.ts'

/** Another commit of the project, in a folder of its own. */
export interface Checkout {
  folder: string
  remove(): Promise<void>
}

/**
 * Checks out a commit below a folder, with the packages that this checkout has installed.
 *
 * @throws OptionError if there is no such commit
 */
export async function checkOut(commit: string, below: string): Promise<Checkout> {
  const folder = join(below, 'checkout')
  await git(['worktree', 'add', '--quiet', '--detach', folder, commit]).catch((error: Error) => {
    throw new OptionError(`--against ${commit}: ${error.message.split('\n').slice(1).join(' ').trim()}`)
  })
  await symlink(join(PROJECT, 'node_modules'), join(folder, 'node_modules'))
  return {
    folder,
    async remove() {
      await rm(join(folder, 'node_modules'), { force: true })
      await git(['worktree', 'remove', '--force', folder])
    },
  }
}

async function git(args: readonly string[]): Promise<void> {
  await promisify(execFile)('git', [...args], { cwd: PROJECT })
}
