import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, glob, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

const PROJECT = join(import.meta.dirname, '..')
const BUILT = join(PROJECT, 'dist')
/** The file of a thread. The compiler renames modules only in imports. */
const THREAD_FILE = /new URL\('(\.[^']*)\.ts', import\.meta\.url\)/g

// Files of an earlier build may be of modules that no longer exist.
await rm(BUILT, { recursive: true, force: true })
const compiler = join(PROJECT, 'node_modules/typescript/bin/tsc')
execFileSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], { cwd: PROJECT, stdio: 'inherit' })
for await (const path of glob(join(BUILT, '**/*.js'))) await nameThreadFiles(path)
await chmod(join(BUILT, 'cli/main.js'), 0o755)

async function nameThreadFiles(path: string): Promise<void> {
  const text = await readFile(path, 'utf8')
  const built = text.replaceAll(THREAD_FILE, (_, module: string) => {
    if (!existsSync(join(dirname(path), `${module}.js`)))
      throw new Error(`${path} starts ${module}, which does not exist`)
    return `new URL('${module}.js', import.meta.url)`
  })
  if (built !== text) await writeFile(path, built)
}
