import { execFileSync } from 'node:child_process'
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { isBuiltin } from 'node:module'
import { basename, join } from 'node:path'
import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild-wasm'

const PROJECT = join(import.meta.dirname, '..')
const BUILT = join(PROJECT, 'dist')
const CODE = join(BUILT, 'js')
const MAIN = 'cli/main'
/** The programs of the threads that {@link MAIN} and the exports start. */
const THREADS = [
  'server/worker-thread',
  'server/housekeeping-thread',
  'metadata/sqlite/writer-thread',
  'registry/hash-thread',
]
const EXPORTS = ['exports/stowage', 'exports/client', 'exports/oci']
/** Every start needs these packages, which consist of many small files. */
const BUNDLED = ['commander', 'pino']
/** How a source names the file of a thread. */
const THREAD_FILE = /new URL\('\.\/(?:[^']*\/)?([^'/]+)\.ts', import\.meta\.url\)/g
/** An import of a module of Node, as esbuild writes it. */
const NODE_IMPORT = /^import (?:(?:\* as )?(\w+)|\{([^}]*)\}) from "(node:[^"]+)";\n/gm
/** How bundled packages require such a module. */
const NODE_REQUIRE = /\b__require\("([^"]+)"\)/g

/** All files are in one folder, so a thread's file is next to the code that starts it. */
const threadFiles: Plugin = {
  name: 'thread-files',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]src[\\/].*\.ts$/ }, async ({ path }) => {
      const contents = (await readFile(path, 'utf8')).replaceAll(THREAD_FILE, (_, name: string) => {
        if (!THREADS.some((thread) => basename(thread) === name))
          throw new Error(`${path} starts ${name}, which is not in the list of threads`)
        return `new URL('./${name}.js', import.meta.url)`
      })
      return { contents, loader: 'ts' }
    })
  },
}

// Files of an earlier build may be of modules that no longer exist.
await rm(BUILT, { recursive: true, force: true })
const compiler = join(PROJECT, 'node_modules/typescript/bin/tsc')
execFileSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], { cwd: PROJECT, stdio: 'inherit' })
await mkdir(CODE)
const external = (await readDependencies()).filter((name) => !BUNDLED.includes(name))
// A program of its own for each thread: it loads one file, and only what it runs.
const programs = [MAIN, ...THREADS].map((entry) => bundle([entry], { external }))
// The exports share their files, and so their classes.
const bundled = await Promise.all([...programs, bundle(EXPORTS, { packages: 'external' })])
await writeFile(join(CODE, 'LICENSES.txt'), await collectLicenses(bundled))
await chmod(join(CODE, 'main.js'), 0o755)

async function readDependencies(): Promise<string[]> {
  const text = await readFile(join(PROJECT, 'package.json'), 'utf8')
  return Object.keys((JSON.parse(text) as { dependencies: Record<string, string> }).dependencies)
}

/** Writes one file for each entry, and others for what they may load later. It stays readable, for stack traces. */
async function bundle(entries: readonly string[], options: BuildOptions): Promise<Metafile> {
  const { outputFiles, metafile } = await build({
    ...options,
    absWorkingDir: PROJECT,
    entryPoints: entries.map((entry) => `src/${entry}.ts`),
    outdir: CODE,
    entryNames: '[name]',
    chunkNames: '[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'esnext',
    plugins: [threadFiles],
    metafile: true,
    write: false,
  })
  const first = loadedFirst(metafile)
  for (const { path, text } of outputFiles)
    await writeFile(path, first.has(basename(path)) ? text : withLazyModules(text))
  return metafile
}

/** The files that the command loads before it knows that this Node.js is new enough. They may not use what an older one lacks. */
function loadedFirst({ outputs }: Metafile): Set<string> {
  const paths = Object.keys(outputs).filter((path) => outputs[path]?.entryPoint === `src/${MAIN}.ts`)
  for (const path of paths) {
    const needed = outputs[path]?.imports.filter(
      ({ kind, external }) => kind === 'import-statement' && !external,
    )
    paths.push(...(needed ?? []).map((one) => one.path).filter((one) => !paths.includes(one)))
  }
  return new Set(paths.map((path) => basename(path)))
}

/**
 * Takes modules of Node from the process. An import of such a module reads all of its exports, and so loads what nobody uses: with
 * `node:http` what `fetch` consists of, with `node:crypto` all of Web Crypto.
 */
function withLazyModules(text: string): string {
  const taken: string[] = []
  const rest = text.replaceAll(NODE_IMPORT, (_, whole: string | undefined, names: string, module: string) => {
    taken.push(
      `const ${whole ?? `{${names.replaceAll(' as ', ': ')}}`} = process.getBuiltinModule("${module}");\n`,
    )
    return ''
  })
  if (/^import .*"node:/m.test(rest)) throw new Error('an import of a module of Node has an unknown form')
  const required = rest.replaceAll(NODE_REQUIRE, (call, module: string) =>
    isBuiltin(module) ? `process.getBuiltinModule("${module}")` : call,
  )
  return `${taken.join('')}${required}`
}

/** The licenses of the packages that were bundled. */
async function collectLicenses(bundled: readonly Metafile[]): Promise<string> {
  const inputs = bundled.flatMap((metafile) => Object.keys(metafile.inputs))
  const names = inputs.flatMap((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? [])
  const texts = [...new Set(names)].sort().map(async (name) => {
    const folder = join(PROJECT, 'node_modules', name)
    const file = (await readdir(folder)).find((one) => /^licen[sc]e/i.test(one))
    if (file === undefined) throw new Error(`${name} has no license file`)
    return `${name}\n\n${await readFile(join(folder, file), 'utf8')}`
  })
  return (await Promise.all(texts)).join(`\n${'-'.repeat(80)}\n`)
}
