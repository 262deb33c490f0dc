import { availableParallelism } from 'node:os'
import { readCgroupLimits } from '../cgroup.ts'
import { openFilesLimit } from '../open-files.ts'
import { type Form, InvalidValue } from './form.ts'

/** On Windows, not all versions of Node can pass connections to other threads. */
const SPREADS_CONNECTIONS = process.platform !== 'win32'
const MAX_WORKERS = 64
const MIB = 1024 * 1024
/** What the process needs in addition to its workers, and what one of them needs while it is busy. */
const BASE_MEMORY = 192 * MIB
const WORKER_MEMORY = 64 * MIB

/** How many threads answer requests. */
export const WORKER_COUNT: Form<number> = {
  unit: `count, 1 to ${MAX_WORKERS}`,
  schema: { anyOf: [{ const: 'auto' }, { type: 'integer', minimum: 1, maximum: MAX_WORKERS }] },
  parse(text) {
    const count = text === 'auto' ? automaticWorkers() : Number(text)
    const isCount = text === 'auto' || (/^\d{1,2}$/.test(text) && count >= 1 && count <= MAX_WORKERS)
    if (isCount) return SPREADS_CONNECTIONS ? count : 1
    throw new InvalidValue(`must be auto or a number from 1 to ${MAX_WORKERS}`)
  },
}

/** One for each processor, unless a control group allows fewer processors or too little memory. */
function automaticWorkers(): number {
  const { cpus = Number.POSITIVE_INFINITY, memory = Number.POSITIVE_INFINITY } = readCgroupLimits()
  const forMemory = Math.floor((memory - BASE_MEMORY) / WORKER_MEMORY)
  return Math.max(1, Math.min(availableParallelism(), Math.ceil(cpus), forMemory, MAX_WORKERS))
}

/** The limit of connections; undefined if {@link automaticConnections} determines it. */
export const CONNECTION_COUNT: Form<number | undefined> = {
  unit: 'count',
  schema: { anyOf: [{ const: 'auto' }, { type: 'integer', minimum: 1, maximum: 9_999_999 }] },
  parse(text) {
    if (text === 'auto') return undefined
    if (/^[1-9]\d{0,6}$/.test(text)) return Number(text)
    throw new InvalidValue('must be auto or a whole number, at least 1')
  },
}

/** Files for the database, the log and similar, and for connections that are refused because there are too many. */
const RESERVED_FILES = 64
const RESERVED_FILES_OF_A_WORKER = 48

/** How many connections a server may have at most. */
export function maxConnectionsFor(workers: number): number {
  return openFilesLimit() - RESERVED_FILES - workers * RESERVED_FILES_OF_A_WORKER
}

/** The default limit of connections of a server. Each connection may also have a file open. */
export function automaticConnections(workers: number): number {
  return Math.max(1, Math.floor(maxConnectionsFor(workers) / 2))
}

const BYTES = /^(\d{1,12})(?:([KMGT])i?B?)?$/
const FACTORS = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 } as const

/** A number of bytes. */
export const SIZE: Form<number> = {
  unit: 'size',
  schema: {
    anyOf: [
      { type: 'string', pattern: '^\\d{1,12}([KMGT]i?B?)?$' },
      { type: 'integer', minimum: 0, maximum: 999_999_999_999 },
    ],
  },
  parse(text) {
    const match = BYTES.exec(text)
    const count = Number(match?.[1]) * (FACTORS[match?.[2] as keyof typeof FACTORS] ?? 1)
    if (match !== null && Number.isSafeInteger(count)) return count
    throw new InvalidValue('must be a number of bytes, such as 5000000000, 500M or 5G')
  },
}
