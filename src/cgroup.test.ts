import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { readCgroupLimits } from './cgroup.ts'

const MIB = 1024 * 1024

/** A folder that looks like a system's root. */
function systemWith(context: TestContext, files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), 'stowage-cgroup-'))
  context.after(() => rmSync(root, { recursive: true }))
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), `${text}\n`)
  }
  return root
}

test('a system without control groups limits nothing', (context) => {
  assert.deepEqual(readCgroupLimits(systemWith(context, {})), { memory: undefined, cpus: undefined })
})

test('version 2: the lowest limit of a group and those above it counts', (context) => {
  const root = systemWith(context, {
    'proc/self/cgroup': '0::/team/app',
    'sys/fs/cgroup/team/app/memory.max': 'max',
    'sys/fs/cgroup/team/app/cpu.max': '50000 100000',
    'sys/fs/cgroup/team/memory.max': String(256 * MIB),
    'sys/fs/cgroup/team/cpu.max': 'max 100000',
  })
  assert.deepEqual(readCgroupLimits(root), { memory: 256 * MIB, cpus: 0.5 })
})

test('version 2 in a container: the group of the process is the root that it sees', (context) => {
  const root = systemWith(context, {
    'proc/self/cgroup': '0::/',
    'sys/fs/cgroup/memory.max': String(512 * MIB),
    'sys/fs/cgroup/cpu.max': '200000 100000',
  })
  assert.deepEqual(readCgroupLimits(root), { memory: 512 * MIB, cpus: 2 })
})

test('version 1: controllers that are mounted together or alone, and no limit as -1 or a huge number', (context) => {
  const root = systemWith(context, {
    'proc/self/cgroup': '5:memory:/app\n4:cpu,cpuacct:/app\n1:name=systemd:/init',
    'sys/fs/cgroup/memory/app/memory.limit_in_bytes': '9223372036854771712',
    'sys/fs/cgroup/memory/memory.limit_in_bytes': String(300 * MIB),
    'sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_quota_us': '150000',
    'sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_period_us': '100000',
    'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '-1',
    'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000',
  })
  assert.deepEqual(readCgroupLimits(root), { memory: 300 * MIB, cpus: 1.5 })
})

test('version 1 in a container whose group has a path that it cannot see', (context) => {
  const root = systemWith(context, {
    'proc/self/cgroup': '4:memory:/docker/0123\n3:cpu:/docker/0123',
    'sys/fs/cgroup/memory/memory.limit_in_bytes': String(256 * MIB),
    'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '100000',
    'sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000',
  })
  assert.deepEqual(readCgroupLimits(root), { memory: 256 * MIB, cpus: 1 })
})

test('files that say something else limit nothing', (context) => {
  const root = systemWith(context, {
    'proc/self/cgroup': 'nonsense\n0::/app\n:::',
    'sys/fs/cgroup/app/memory.max': 'lots',
    'sys/fs/cgroup/app/cpu.max': '',
  })
  assert.deepEqual(readCgroupLimits(root), { memory: undefined, cpus: undefined })
})
