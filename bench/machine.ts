import { statfsSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'

/** The machine that figures were taken on. */
export interface Machine {
  cpu: string
  cores: number
  /** In bytes. */
  memory: number
  kernel: string
  /** Of the folder that the systems write to. */
  fileSystem: string
  node: string
}

/** Names by the magic numbers of statfs(2). */
const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  61267: 'ext4',
  16914836: 'tmpfs',
  1481003842: 'xfs',
  2435016766: 'btrfs',
  2035054128: 'overlayfs',
  801189825: 'zfs',
}

/** Describes this machine. */
export function describeMachine(folder: string): Machine {
  const { type } = statfsSync(folder)
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memory: totalmem(),
    kernel: release(),
    fileSystem: FILE_SYSTEMS[type] ?? `type ${type}`,
    node: process.version,
  }
}
