import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

const MIB = 1024 * 1024
const V1 = '/sys/fs/cgroup/memory'
const V2 = '/sys/fs/cgroup'
const NAME = `stowage-test-${process.pid}`

/** A control group that limits the memory of what runs in it, page cache included. */
export interface MemoryGroup {
  /** What starts a program in the group: the command before the program's own. */
  readonly launcher: readonly string[]
  /** How often the system killed something for want of memory. */
  kills(): number
}

/** Why no such group can be made on this machine; false if one can. */
export const NO_MEMORY_GROUP = whyNot()

function whyNot(): string | false {
  const group = join(isV1() ? V1 : V2, NAME)
  try {
    mkdirSync(group)
    const isLimited = existsSync(join(group, limitFile()))
    rmdirSync(group)
    return !isLimited && 'control groups do not limit memory on this machine'
  } catch {
    return 'this user cannot make a control group'
  }
}

function isV1(): boolean {
  return existsSync(join(V1, 'memory.limit_in_bytes'))
}

function limitFile(): string {
  return isV1() ? 'memory.limit_in_bytes' : 'memory.max'
}

/** Makes a group with so many MiB, and no swap, until the test ends. */
export function memoryGroup(test: Pick<TestContext, 'after'>, mebibytes: number): MemoryGroup {
  const group = join(isV1() ? V1 : V2, NAME)
  mkdirSync(group)
  test.after(async () => {
    while (readFileSync(join(group, 'cgroup.procs'), 'utf8') !== '') await sleep(20)
    rmdirSync(group)
  })
  writeFileSync(join(group, limitFile()), String(mebibytes * MIB))
  const noSwap = join(group, isV1() ? 'memory.memsw.limit_in_bytes' : 'memory.swap.max')
  if (existsSync(noSwap)) writeFileSync(noSwap, isV1() ? String(mebibytes * MIB) : '0')
  const events = join(group, isV1() ? 'memory.oom_control' : 'memory.events')
  return {
    launcher: ['sh', '-c', `echo $$ > ${join(group, 'cgroup.procs')} && exec "$@"`, 'sh'],
    kills: () => Number(/^oom_kill (\d+)$/m.exec(readFileSync(events, 'utf8'))?.[1] ?? 0),
  }
}
