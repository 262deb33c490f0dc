import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The most that the control groups of a process let it use. Undefined if there is no limit. */
export interface CgroupLimits {
  /** Memory in bytes. */
  memory: number | undefined
  /** Processors, such as 0.5 for half of one. */
  cpus: number | undefined
}

/** Where the files of a controller are, and how a limit is read from a group's folder. */
interface Hierarchy {
  /** The folder of the root group. */
  root: string
  /** The group of this process, such as `/system.slice/stowage.service`. */
  group: string
  isUnified: boolean
}

/** Version 1 expresses "no limit" as a number of about 2^63. */
const UNLIMITED = 2 ** 60

/**
 * Reads the limits of this process: those of its control group and of all groups above it, in either version, and also if a container sees
 * its own group as the root. Node.js reports the memory limit, but not a processor quota of version 1 whose controller is mounted alone.
 *
 * @param root where `proc` and `sys` are; another folder for tests
 */
export function readCgroupLimits(root = '/'): CgroupLimits {
  const memory = hierarchies(root, 'memory').map((hierarchy) => lowest(hierarchy, memoryLimit))
  const cpus = hierarchies(root, 'cpu').map((hierarchy) => lowest(hierarchy, cpuLimit))
  return { memory: minimum(memory), cpus: minimum(cpus) }
}

/** The hierarchies in which a controller may limit this process; a system can have both versions. */
function hierarchies(root: string, controller: string): Hierarchy[] {
  const mounts = join(root, 'sys/fs/cgroup')
  const lines = readText(join(root, 'proc/self/cgroup'))?.split('\n') ?? []
  return lines.flatMap((line): Hierarchy[] => {
    const [, id, controllers, group] = /^(\d+):([^:]*):(\/.*)$/.exec(line) ?? []
    if (id === undefined || controllers === undefined || group === undefined) return []
    if (id === '0' && controllers === '') {
      return [mounts, join(mounts, 'unified')].map((folder) => ({ root: folder, group, isUnified: true }))
    }
    if (!controllers.split(',').includes(controller)) return []
    // A controller that is mounted with others usually also has a link with its own name.
    return [...new Set([controllers, controller])].map((name) => ({
      root: join(mounts, name),
      group,
      isUnified: false,
    }))
  })
}

/**
 * The lowest limit of a group and those above it. In a container the path of the group may not exist. The root is then the container's own
 * group.
 */
function lowest(
  { root, group, isUnified }: Hierarchy,
  limitOf: (folder: string, isUnified: boolean) => number | undefined,
): number | undefined {
  const limits: (number | undefined)[] = []
  for (let at = group; ; at = dirname(at)) {
    limits.push(limitOf(join(root, at), isUnified))
    if (at === '/') return minimum(limits)
  }
}

function memoryLimit(folder: string, isUnified: boolean): number | undefined {
  const text = readText(join(folder, isUnified ? 'memory.max' : 'memory.limit_in_bytes'))
  return positive(text)
}

function cpuLimit(folder: string, isUnified: boolean): number | undefined {
  const [quota, period] = isUnified
    ? (readText(join(folder, 'cpu.max'))?.split(' ') ?? [])
    : [readText(join(folder, 'cpu.cfs_quota_us')), readText(join(folder, 'cpu.cfs_period_us'))]
  const [quotaMicroseconds, periodMicroseconds] = [positive(quota), positive(period)]
  if (quotaMicroseconds === undefined || periodMicroseconds === undefined) return undefined
  return quotaMicroseconds / periodMicroseconds
}

/** A limit as a number; undefined if there is none: `max` in version 2, -1 or a very large number in version 1. */
function positive(text: string | undefined): number | undefined {
  const number = Number(text ?? Number.NaN)
  return number > 0 && number < UNLIMITED ? number : undefined
}

function minimum(values: (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined)
  return known.length === 0 ? undefined : Math.min(...known)
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return undefined
  }
}
