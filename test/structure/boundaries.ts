import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { type Import, readSources, type Source } from '../source-code.ts'

/** What a folder of src/ may import: other folders, files of other folders, and packages. Files at the top put everything together. */
interface Rule {
  folders: readonly string[]
  /** Of these files only types. */
  types?: readonly string[]
  files?: readonly string[]
  packages?: readonly string[]
  /** Of these packages only types. */
  packageTypes?: readonly string[]
  /** Whether it runs in Node alone. */
  node: boolean
}

/** The seam of the metadata store: its subjects, each with its reads and commands. What a driver is built of is not part of it. */
const METADATA_SEAM = [
  'actor',
  'blobs',
  'changes',
  'command',
  'contents',
  'counts',
  'jobs',
  'manifests',
  'metadata-store',
  'page',
  'repositories',
  'tags',
  'uploads',
].map((subject) => `src/metadata/${subject}.ts`)
/** The rules of the registry over rows that a driver has read before. All drivers share them. */
const METADATA_RULES =
  /^src\/metadata\/(content-replacement|manifest-push|manifest-removal|tag-condition|tag-move|upload-claim)\.ts$/
/** The seam of the stores, and the file that chooses an implementation. */
const STORES_SEAM = ['src/stores/stores.ts', 'src/stores/open-stores.ts']
/** What a job is; only its runner knows more. */
const JOB = 'src/jobs/job.ts'
const SEAMS = ['src/storage/blob-store.ts', ...METADATA_SEAM]

/** The table of ARCHITECTURE.md: an arrow that is not here is not allowed. */
const RULES: Readonly<Record<string, Rule>> = {
  oci: { folders: [], node: false },
  client: { folders: ['oci'], packages: ['hash-wasm'], node: false },
  storage: { folders: ['oci'], node: true },
  metadata: { folders: ['oci'], node: true },
  jobs: { folders: [], types: METADATA_SEAM, node: true },
  registry: {
    folders: ['oci'],
    files: ['src/client/target.ts'],
    types: [...SEAMS, JOB],
    packages: ['hash-wasm'],
    node: true,
  },
  auth: {
    folders: ['oci'],
    types: METADATA_SEAM,
    node: true,
  },
  api: { folders: ['oci', 'registry', 'auth'], node: false },
  endpoints: { folders: ['oci', 'registry', 'auth', 'api'], node: true },
  extensions: { folders: ['oci', 'registry', 'auth', 'api'], node: true },
  http: {
    folders: ['oci', 'registry', 'auth', 'api', 'endpoints'],
    files: ['src/ip-address.ts', 'src/system-calls.ts'],
    types: [JOB],
    node: true,
  },
  conformance: { folders: ['oci', 'client'], node: false },
  maintenance: {
    folders: ['oci', 'storage', 'metadata', 'registry', 'stores'],
    files: ['src/file-lock.ts'],
    node: true,
  },
  settings: {
    folders: ['oci'],
    files: ['src/cgroup.ts', 'src/ip-address.ts', 'src/open-files.ts'],
    packages: ['yaml'],
    node: true,
  },
  stores: { folders: ['oci', 'storage', 'metadata'], files: ['src/file-lock.ts'], node: true },
  server: {
    folders: ['oci', 'jobs', 'registry', 'auth', 'api', 'endpoints', 'extensions', 'http', 'settings'],
    types: ['src/metadata/jobs.ts'],
    files: [
      ...STORES_SEAM,
      'src/config.ts',
      'src/cgroup.ts',
      'src/file-lock.ts',
      'src/ip-address.ts',
      'src/loopback.ts',
    ],
    packages: ['pino', 'prom-client', 'zod'],
    node: true,
  },
  cli: {
    folders: ['oci', 'client', 'conformance', 'maintenance', 'settings', 'stores'],
    files: [
      'src/config.ts',
      'src/node-version.ts',
      'src/server/server.ts',
      'src/server/log.ts',
      'src/server/log-output.ts',
      'src/server/compiled-code.ts',
      'src/server/thread-pool.ts',
      'src/system-calls.ts',
    ],
    packages: ['commander', 'undici'],
    packageTypes: ['pino'],
    node: true,
  },
}

/** Files at the top, and the entry points of the package. */
const FILES: Readonly<Record<string, Rule>> = {
  'src/exports/stowage.ts': {
    folders: [],
    files: ['src/config.ts', 'src/node-version.ts', 'src/server/embedded-registry.ts'],
    node: true,
  },
  'src/exports/client.ts': { folders: ['client'], node: false },
  'src/exports/oci.ts': { folders: ['oci'], node: false },
  'src/node-version.ts': { folders: [], node: true },
  'src/file-lock.ts': { folders: [], node: true },
  'src/loopback.ts': { folders: [], node: false },
  'src/ip-address.ts': { folders: [], node: true },
  'src/system-calls.ts': { folders: [], node: true },
  'src/config.ts': {
    folders: ['settings'],
    files: ['src/loopback.ts', 'src/open-files.ts'],
    node: true,
  },
  'src/cgroup.ts': { folders: [], node: true },
  'src/open-files.ts': { folders: [], node: true },
}

/** The only files that may speak to a network by Node's own means. */
const NETWORK_FILES = [
  'src/cli/admin-client.ts',
  'src/http/admin-socket.ts',
  'src/cli/conformance-connection.ts',
  // Only a type.
  'src/cli/conformance-transport.ts',
  'src/conformance/raw-connection.ts',
  'src/http/acknowledged.ts',
  'src/http/answer-watch.ts',
  'src/http/connection-turns.ts',
  'src/http/excess-connections.ts',
  'src/http/exchange.ts',
  'src/http/inherited-listener.ts',
  'src/http/listener.ts',
  'src/http/metrics-server.ts',
  'src/http/node.ts',
  'src/http/node-http.ts',
  'src/http/node-request.ts',
  'src/http/plain-request.ts',
  'src/http/request-body.ts',
  'src/http/request-problem.ts',
  'src/http/refusal.ts',
  'src/http/socket-descriptor.ts',
  'src/http/transfer.ts',
  'src/http/unix-connection.ts',
  'src/http/unix-listener.ts',
  'src/http/upgrade.ts',
  'src/http/zero-copy.ts',
  // A socket may be what the log is written to.
  'src/server/log-output.ts',
  // Only to read addresses.
  'src/ip-address.ts',
]
const NETWORK_MODULES = ['node:http', 'node:https', 'node:http2', 'node:net', 'node:dgram']

/** The folders that work with stores of any kind. */
const STORELESS = ['server', 'http', 'api', 'endpoints', 'extensions']
const KINDS_OF_STORES = /sqlite|postgres|\bs3\b|disk-gate|statfs|admin\.sock\b|writer-(?:client|host|thread)/i

/** The file of the bench that makes registries too large to be pushed, and what it may import of src/. */
const BENCH_FILLER = { path: 'bench/grown-registry.ts', folders: ['src/oci/', 'src/metadata/'] }

const sources = readSources()

function folderOf(path: string): string {
  return path.split('/').length > 2 ? (path.split('/')[1] ?? '') : ''
}

function ruleOf(path: string): Rule | undefined {
  return FILES[path] ?? RULES[folderOf(path)]
}

/** Why a file may not import something; undefined if it may. */
function refusal(path: string, { specifier, typeOnly }: Import): string | undefined {
  const rule = ruleOf(path)
  if (rule === undefined) return 'has no rule'
  if (specifier.startsWith('.'))
    return refusalOfFile(path, join(dirname(path), specifier), { rule, typeOnly })
  if (isBuiltin(specifier)) return refusalOfBuiltin(path, specifier, rule)
  if (rule.packages?.includes(specifier)) return undefined
  if (rule.packageTypes?.includes(specifier) && typeOnly) return undefined
  return `the package ${specifier} is not for it`
}

function refusalOfFile(
  path: string,
  target: string,
  { rule, typeOnly }: { rule: Rule; typeOnly: boolean },
): string | undefined {
  if (!target.endsWith('.ts') || !sources.some((source) => source.path === target))
    return `${target} is no file`
  const folder = folderOf(target)
  if (folder !== '' && (folder === folderOf(path) || rule.folders.includes(folder))) return undefined
  if (rule.files?.includes(target)) return undefined
  if (rule.types?.includes(target)) return typeOnly ? undefined : `only types of ${target} are for it`
  return `${target} is not for it`
}

function refusalOfBuiltin(path: string, specifier: string, rule: Rule): string | undefined {
  if (!specifier.startsWith('node:')) return `${specifier} must be written with node:`
  if (!rule.node) return `${specifier} is not for what runs everywhere`
  const isNetwork = NETWORK_MODULES.includes(specifier)
  return isNetwork && !NETWORK_FILES.includes(path) ? `${specifier} is only for ${NETWORK_FILES}` : undefined
}

function refusalsOf({ path, imports }: Source): string[] {
  return imports.flatMap((found) => {
    const why = refusal(path, found)
    return why === undefined ? [] : [`${path} imports ${found.specifier}: ${why}`]
  })
}

test('every file imports only what its folder may', () => {
  assert.ok(sources.length > 50)
  assert.deepEqual(sources.flatMap(refusalsOf), [])
})

test('no text of the server, of HTTP or of the endpoints names a kind of store', () => {
  const files = sources.filter(({ path }) => STORELESS.includes(folderOf(path)))
  assert.ok(files.length > 50)
  const named = files.flatMap(({ path, text }) => {
    const [found] = KINDS_OF_STORES.exec(text) ?? []
    return found === undefined ? [] : [`${path} names ${found}`]
  })
  assert.deepEqual(named, [])
})

test('code that acts for clients gets a registry without maintenance', () => {
  const forClients = sources.filter(({ path }) => /^src\/(?:api|endpoints|extensions|http)\//.test(path))
  assert.ok(forClients.length > 50)
  for (const { path, text } of forClients)
    assert.doesNotMatch(text, /\bLocalRegistry\b|\bmaintenance\b/, path)
})

test('the bench knows a server only by its requests; only what fills a registry knows the metadata store', () => {
  const bench = readSources('bench')
  assert.ok(bench.length > 20)
  const strangers = bench.flatMap(({ path, imports }) =>
    imports.flatMap(({ specifier }) => {
      if (isBuiltin(specifier)) return []
      const target = specifier.startsWith('.') ? join(dirname(path), specifier) : specifier
      const isOwn = bench.some((source) => source.path === target)
      const isAllowed =
        path === BENCH_FILLER.path && BENCH_FILLER.folders.some((each) => target.startsWith(each))
      return isOwn || isAllowed ? [] : [`${path} imports ${target}`]
    }),
  )
  assert.deepEqual(strangers, [])
})

test('the spike of a second metadata store uses only the seam and its rules, and nothing uses the spike', () => {
  const spike = readSources('test/spikes')
  assert.ok(spike.length > 5)
  const isShared = (target: string) => METADATA_SEAM.includes(target) || METADATA_RULES.test(target)
  const strangers = spike.flatMap(({ path, imports }) =>
    imports
      .map(({ specifier }) => (specifier.startsWith('.') ? join(dirname(path), specifier) : specifier))
      .filter((target) => target.startsWith('src/') && !target.startsWith('src/oci/') && !isShared(target))
      .map((target) => `${path} imports ${target}`),
  )
  assert.deepEqual(strangers, [])
  const users = [...sources, ...readSources('bench')].filter(({ imports }) =>
    imports.some(({ specifier }) => specifier === 'pg' || specifier.includes('spikes/')),
  )
  assert.deepEqual(
    users.map(({ path }) => path),
    [],
  )
})

test('every file of src has a rule', () => {
  const lawless = sources.filter(({ path }) => ruleOf(path) === undefined)
  assert.deepEqual(
    lawless.map(({ path }) => path),
    [],
  )
})

test('what answers requests does not know where blobs are stored', () => {
  const folders = ['api', 'endpoints', 'extensions', 'http']
  const answering = sources.filter(({ path }) => folders.includes(folderOf(path)))
  assert.ok(answering.length > 50)
  const knowing = [...answering, ...sources.filter(({ path }) => path === 'src/registry/registry.ts')]
    .filter(({ text }) =>
      /\b(?:BlobKey|BlobRecord|BlobStore|ContentPlace|StoredRange)\b|\bcontent\.key\b/.test(text),
    )
    .map(({ path }) => path)
  assert.deepEqual(knowing, [])
})

test('an arrow that is not in the table is found', () => {
  for (const [path, specifier, typeOnly] of [
    ['src/oci/digest.ts', 'node:crypto', false],
    ['src/oci/digest.ts', 'node:crypto', true],
    ['src/oci/digest.ts', 'zod', true],
    ['src/oci/digest.ts', '../registry/registry.ts', true],
    ['src/oci/digest.ts', './absent.ts', true],
    ['src/oci/digest.ts', './error', false],
    ['src/registry/blobs.ts', '../storage/blob-store.ts', false],
    ['src/registry/blobs.ts', '../storage/memory.ts', true],
    ['src/registry/blobs.ts', '../metadata/blobs.ts', false],
    ['src/registry/blobs.ts', '../metadata/touched-parts.ts', true],
    ['src/registry/blobs.ts', '../http/app.ts', true],
    ['src/registry/blobs.ts', '../config.ts', true],
    ['src/http/app.ts', '../storage/blob-store.ts', true],
    ['src/http/app.ts', '../metadata/command.ts', true],
    ['src/http/app.ts', 'node:http', true],
    ['src/http/app.ts', 'http', true],
    ['src/http/app.ts', 'pino', true],
    ['src/extensions/oci.ts', '../metadata/metadata-store.ts', true],
    ['src/extensions/oci.ts', '../http/message.ts', true],
    ['src/metadata/command.ts', '../storage/blob-store.ts', true],
    ['src/storage/memory.ts', '../metadata/command.ts', true],
    ['src/server/server.ts', '../cli/serve.ts', true],
    ['src/server/server.ts', '../stores/data-folder.ts', true],
    ['src/server/server.ts', '../metadata/metadata-store.ts', true],
    ['src/server/server.ts', '../metadata/sqlite/store.ts', true],
    ['src/server/worker-thread.ts', '../storage/disk-gate.ts', true],
    ['src/server/server.ts', '../maintenance/backup.ts', true],
    ['src/stores/data-folder.ts', '../server/server.ts', true],
    ['src/cli/serve.ts', '../server/worker-pool.ts', true],
    ['src/config.ts', './server/server.ts', true],
    ['src/unknown/x.ts', 'node:fs', false],
    ['src/unknown.ts', 'node:fs', false],
  ] as const) {
    assert.notEqual(refusal(path, { specifier, typeOnly }), undefined, `${path} imports ${specifier}`)
  }
})

/** Whether files of a folder may still name types of files that name theirs. */
function allowsTypeCircles(path: string): boolean {
  return ['http', 'maintenance'].includes(folderOf(path))
}

test('no file imports itself by way of others', () => {
  const arrows = new Map(
    sources.map(({ path, imports }) => [
      path,
      imports
        .filter(
          ({ specifier, typeOnly }) => specifier.startsWith('.') && !(typeOnly && allowsTypeCircles(path)),
        )
        .map(({ specifier }) => join(dirname(path), specifier)),
    ]),
  )
  for (const { path } of sources) {
    const reached = new Set<string>()
    const next = [...(arrows.get(path) ?? [])]
    for (let at = next.pop(); at !== undefined; at = next.pop()) {
      if (reached.has(at)) continue
      reached.add(at)
      next.push(...(arrows.get(at) ?? []))
    }
    assert.ok(!reached.has(path), `${path} imports itself`)
  }
})

test('each package that is installed for running is imported, and no other is', () => {
  const { dependencies } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  const imported = sources.flatMap(({ imports }) =>
    imports.map(({ specifier }) => specifier).filter((name) => !name.startsWith('.') && !isBuiltin(name)),
  )
  assert.deepEqual([...new Set(imported)].sort(), Object.keys(dependencies).sort())
})

test('what runs everywhere uses no global of Node', () => {
  const everywhere = sources.filter(({ path }) => ruleOf(path)?.node === false)
  assert.ok(everywhere.length > 5)
  for (const { path, text } of everywhere) {
    assert.doesNotMatch(
      text,
      /\bBuffer\b|\bprocess\.|\brequire\(|\b__(?:dirname|filename)\b|\bglobal\./,
      path,
    )
  }
})
