import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { readCgroupLimits } from './cgroup.ts'
import { type AddressRange, parseAddressRange } from './ip-address.ts'
import { isLoopback } from './loopback.ts'
import { parsePathPrefix } from './oci/path-prefix.ts'
import { openFilesLimit } from './open-files.ts'

/** A setting is missing or malformed; the message says which, and what would be right. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

const UNITS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** How much is logged. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const

/** What becomes of an index whose manifests are not all there. */
export const SPARSE_INDEXES = ['refuse', 'allow'] as const

/** How files are sent. */
export const ZERO_COPY = ['auto', 'off'] as const

/** How many bytes the path of a Unix socket may have; the system's address has room for no more. */
export const MAX_SOCKET_PATH = 107

const UNIX = 'unix:'

const listen = z.string().transform((text, context) => {
  if (text.startsWith(UNIX)) return readSocketFile(text.slice(UNIX.length), context)
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]*)):(\d{1,5})$/i.exec(text)
  const port = Number(match?.[3])
  if (match !== null && port <= 65_535) return { host: match[1] ?? (match[2] || '::'), port }
  const message =
    'must be <host>:<port>, such as 127.0.0.1:5000 or [::1]:5000, or unix:<path>, such as unix:/run/stowage/stowage.sock'
  context.addIssue({ code: 'custom', message })
  return z.NEVER
})

function readSocketFile(text: string, context: z.RefinementCtx): { path: string } {
  const refuse = (message: string) => {
    context.addIssue({ code: 'custom', message })
    return z.NEVER
  }
  const path = resolve(text)
  const length = Buffer.byteLength(path)
  if (text === '' || text.endsWith('/') || text.includes('\0'))
    return refuse('must name a file after unix:, such as unix:/run/stowage/stowage.sock')
  if (text.startsWith('@'))
    return refuse('cannot be an abstract socket, since anyone on this machine could connect to it')
  if (length <= MAX_SOCKET_PATH) return { path }
  return refuse(
    `has a path of ${length} bytes, but sockets are limited to ${MAX_SOCKET_PATH}; choose a shorter path, such as unix:/run/stowage/stowage.sock`,
  )
}

const socketMode = z.string().transform((text, context) => {
  if (/^0?[0-7]{3}$/.test(text)) return Number.parseInt(text, 8)
  context.addIssue({ code: 'custom', message: 'must be the mode of a file in octal, such as 0660' })
  return z.NEVER
})

/** What `never` stands for: longer than dates can tell, and exact in milliseconds. */
export const NEVER = 99_999_999 * UNITS.d
/** A timer that is set to more than 24 days goes off at once. */
const MAX_STOP = UNITS.d

const duration = z.string().transform((text, context) => {
  if (text === '0') return 0
  if (text === 'never') return NEVER
  // More days would not be exact in milliseconds.
  const match = /^(\d{1,8})([smhd])$/.exec(text)
  if (match !== null) return Number(match[1]) * UNITS[match[2] as keyof typeof UNITS]
  context.addIssue({
    code: 'custom',
    message: 'must be a whole number and a unit: 90s, 30m, 24h or 7d; or never; or 0',
  })
  return z.NEVER
})

/** How long something may be unused before it goes. */
const expiry = duration.refine((time) => time > 0, {
  error: 'cannot be 0, since content would be deleted while it is being pushed; use never to turn this off',
})

const shutdownDelay = duration.refine((time) => time <= MAX_STOP, { error: 'must be 1d or less' })

const drainTimeout = duration.refine((time) => time <= MAX_STOP || time === NEVER, {
  error: 'must be 1d or less, or never',
})

const BYTES = /^(\d{1,12})(?:([KMGT])i?B?)?$/
const FACTORS = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 } as const

const byteCount = z.string().transform((text, context) => {
  const match = BYTES.exec(text)
  const count = Number(match?.[1]) * (FACTORS[match?.[2] as keyof typeof FACTORS] ?? 1)
  if (match !== null && Number.isSafeInteger(count)) return count
  context.addIssue({ code: 'custom', message: 'must be a number of bytes, such as 5000000000, 500M or 5G' })
  return z.NEVER
})

const socketPath = z.string().transform((text, context) => {
  const path = resolve(text)
  if (text !== '' && Buffer.byteLength(path) <= MAX_SOCKET_PATH) return path
  const message = `must be the path of a file with ${MAX_SOCKET_PATH} bytes at most, such as /run/stowage/admin.sock`
  context.addIssue({ code: 'custom', message })
  return z.NEVER
})

/** Node does not hand connections to other threads on Windows in all versions. */
const SPREADS_CONNECTIONS = process.platform !== 'win32'
const MAX_WORKERS = 64
const MIB = 1024 * 1024
/** What the process needs beside its workers, and what one of them needs while it is busy. */
const BASE_MEMORY = 192 * MIB
const WORKER_MEMORY = 64 * MIB

const workers = z.string().transform((text, context) => {
  const count = text === 'auto' ? automaticWorkers() : Number(text)
  const isCount = text === 'auto' || (/^\d{1,2}$/.test(text) && count >= 1 && count <= MAX_WORKERS)
  if (isCount) return SPREADS_CONNECTIONS ? count : 1
  context.addIssue({ code: 'custom', message: `must be auto or a number from 1 to ${MAX_WORKERS}` })
  return z.NEVER
})

/** One for each processor, unless a control group allows less of them, or too little memory for so many. */
function automaticWorkers(): number {
  const { cpus = Number.POSITIVE_INFINITY, memory = Number.POSITIVE_INFINITY } = readCgroupLimits()
  const forMemory = Math.floor((memory - BASE_MEMORY) / WORKER_MEMORY)
  return Math.max(1, Math.min(availableParallelism(), Math.ceil(cpus), forMemory, MAX_WORKERS))
}

/** What the database, the log and the like need, and connections that are told that there are too many. */
const RESERVED_FILES = 64
const RESERVED_FILES_OF_A_WORKER = 48

const maxConnections = z.string().transform((text, context) => {
  if (text === 'auto') return undefined
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text)
  context.addIssue({ code: 'custom', message: 'must be auto or a whole number, at least 1' })
  return z.NEVER
})

/** A connection may have a file open as well. */
function automaticConnections(workers: number): number {
  return Math.max(1, Math.floor(filesFor(workers) / 2))
}

function filesFor(workers: number): number {
  return openFilesLimit() - RESERVED_FILES - workers * RESERVED_FILES_OF_A_WORKER
}

/** Proxies that may tell whom they speak for. */
export interface TrustedProxies {
  /** Whoever is at the other end of a Unix socket. */
  unixSocket: boolean
  ranges: readonly AddressRange[]
}

const trustedProxies = z.string().transform((text, context): TrustedProxies => {
  const names = text === 'none' ? [] : text.split(',').map((name) => name.trim())
  const ranges = names.filter((name) => name !== 'unix').map(parseAddressRange)
  const known = ranges.filter((range) => range !== undefined)
  if (known.length === ranges.length) return { unixSocket: names.includes('unix'), ranges: known }
  context.addIssue({
    code: 'custom',
    message:
      'must be none, or addresses and ranges separated by commas, such as 127.0.0.1,10.0.0.0/8,fd00::/8; unix for a Unix socket',
  })
  return z.NEVER
})

const publicUrl = z.string().transform((text, context) => {
  const url = URL.parse(text)
  const prefix = parsePathPrefix(url?.pathname ?? '')
  const isPlain = url !== null && url.username + url.password + url.search + url.hash === ''
  const scheme = url?.protocol.slice(0, -1)
  if (isPlain && (scheme === 'http' || scheme === 'https') && prefix !== undefined)
    return { scheme, host: url.host, prefix } as const
  context.addIssue({
    code: 'custom',
    message:
      'must be the part before /v2/ of the URL that clients use, such as https://registry.example.com or https://example.com/registry',
  })
  return z.NEVER
})

const HOST_NAME = /^(?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]{0,250}[a-z0-9_])?$/

const allowedHosts = z.string().transform((text, context): readonly string[] => {
  const names = text === 'none' ? [] : text.split(',').map((name) => name.trim().toLowerCase())
  if (names.every((name) => HOST_NAME.test(name))) return names
  context.addIssue({
    code: 'custom',
    message:
      'must be none, or host names without ports separated by commas, such as registry.example.com,*.registry.svc; addresses need not be listed',
  })
  return z.NEVER
})

/** Why an address that other machines reach needs `--allow-anonymous`. */
export const OPEN_TO_ANYBODY =
  'is reachable from other machines, and there are no accounts yet: anyone who can reach it could push and delete. ' +
  'Add --allow-anonymous if that is what you want'

const schema = z
  .object({
    listen,
    socketMode,
    data: z
      .string()
      .min(1, 'must name a folder')
      .transform((path) => resolve(path)),
    logLevel: z.enum(LOG_LEVELS, { error: `must be one of ${LOG_LEVELS.join(', ')}` }),
    allowAnonymous: z.boolean(),
    draftExtensions: z.boolean(),
    tlsCert: z.string().optional(),
    tlsKey: z.string().optional(),
    publicUrl: publicUrl.optional(),
    trustedProxies,
    allowedHosts,
    sparseIndexes: z.enum(SPARSE_INDEXES, { error: `must be one of ${SPARSE_INDEXES.join(', ')}` }),
    uploadExpiry: expiry,
    unusedBlobExpiry: expiry,
    keepDeleted: duration,
    keepHistory: duration,
    shutdownDelay,
    drainTimeout,
    lowSpace: byteCount.optional(),
    adminSocket: socketPath.optional(),
    workers,
    maxConnections,
    zeroCopy: z.enum(ZERO_COPY, { error: `must be one of ${ZERO_COPY.join(', ')}` }),
  })
  .superRefine((settings, context) => {
    if ((settings.tlsCert === undefined) !== (settings.tlsKey === undefined)) {
      context.addIssue({ code: 'custom', path: ['tlsCert'], message: 'and --tls-key must be given together' })
    }
    const { listen: place, data, adminSocket = join(data, 'admin.sock') } = settings
    if ('host' in place && !isLoopback(place.host) && !settings.allowAnonymous)
      context.addIssue({ code: 'custom', path: ['listen'], message: OPEN_TO_ANYBODY })
    if ('path' in place && place.path === adminSocket)
      context.addIssue({ code: 'custom', path: ['listen'], message: 'and --admin-socket are the same file' })
    const { maxConnections: most, workers: count } = settings
    if (most !== undefined && most > filesFor(count)) {
      const message = `needs more than the ${openFilesLimit()} open files that this process may have; raise ulimit -n`
      context.addIssue({ code: 'custom', path: ['maxConnections'], message })
    }
  })
  .transform((settings) => ({
    ...settings,
    maxConnections: settings.maxConnections ?? automaticConnections(settings.workers),
  }))

/** All settings of a server, checked and complete. Times are in milliseconds. */
export type Config = Readonly<z.output<typeof schema>>

/** Settings as flags and environment give them: text, not checked yet. */
export type Settings = z.input<typeof schema>

/** What stands where a setting is not given. */
export const DEFAULTS = {
  listen: '127.0.0.1:5000',
  socketMode: '0660',
  data: './data',
  logLevel: 'info',
  allowAnonymous: false,
  draftExtensions: false,
  trustedProxies: 'none',
  allowedHosts: 'none',
  sparseIndexes: 'refuse',
  uploadExpiry: '24h',
  unusedBlobExpiry: '24h',
  keepDeleted: '7d',
  keepHistory: '365d',
  shutdownDelay: '0',
  drainTimeout: '25s',
  workers: 'auto',
  maxConnections: 'auto',
  zeroCopy: 'auto',
} as const satisfies Settings

/** Checks settings. @throws ConfigError naming the first setting that is wrong, as a flag */
export function parseConfig(settings: Settings): Config {
  const result = schema.safeParse(settings)
  if (result.success) return Object.freeze(result.data)
  const [issue] = result.error.issues
  const flag = String(issue?.path[0] ?? '').replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  throw new ConfigError(`--${flag} ${issue?.message ?? 'is wrong'}`)
}

/** Reads a duration as settings have it. @param flag named if it is wrong @returns milliseconds @throws ConfigError */
export function parseDuration(flag: string, text: string): number {
  const result = duration.safeParse(text)
  if (result.success) return result.data
  throw new ConfigError(`${flag} ${result.error.issues[0]?.message ?? 'is wrong'}`)
}
