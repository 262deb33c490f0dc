import { execFile, spawn } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'

const PROJECT = join(import.meta.dirname, '../..')
const GREETING = /^Stowage listens on (\S+)\n/m
const execute = promisify(execFile)

/** An empty project into which the package was installed. */
export interface InstalledPackage {
  /** The folder of the project. */
  readonly folder: string
  /** Runs a program in it, with the Node.js of these tests. Rejects if the program fails. @returns what it printed */
  run(command: string, args: readonly string[]): Promise<string>
  /** Starts its `stowage serve` on a free port. @returns its address, after the greeting */
  serve(data: string): Promise<string>
}

/** Builds the package, packs it, and installs it with npm into a new project, which is deleted when the test ends. */
export async function installPackage(test: Pick<TestContext, 'after'>): Promise<InstalledPackage> {
  const folder = await mkdtemp(join(tmpdir(), 'stowage-package-'))
  test.after(() => rm(folder, { recursive: true, force: true }))
  // npm scripts put the folders of this project first.
  const env = {
    ...process.env,
    PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
    NODE_NO_WARNINGS: '1',
  }
  const run = async (command: string, args: readonly string[], cwd = folder) =>
    (await execute(command, args, { cwd, env })).stdout
  await run('npm', ['run', '-s', 'build'], PROJECT)
  await run('npm', ['pack', '--silent', '--pack-destination', folder], PROJECT)
  const { version } = JSON.parse(await readFile(join(PROJECT, 'package.json'), 'utf8')) as { version: string }
  await writeFile(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n')
  await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', `./stowage-${version}.tgz`])
  await cp(join(PROJECT, 'examples'), folder, { recursive: true })
  return {
    folder,
    run,
    async serve(data) {
      const args = ['serve', '--listen', '127.0.0.1:0', '--data', data, '--workers', '2']
      const server = spawn(join(folder, 'node_modules/.bin/stowage'), args, { cwd: folder, env })
      const ended = Promise.withResolvers<void>()
      server.once('close', () => ended.resolve())
      test.after(async () => {
        server.kill('SIGTERM')
        await ended.promise
      })
      let printed = ''
      for (const stream of [server.stderr, server.stdout]) stream.setEncoding('utf8')
      server.stderr.on('data', (text: string) => {
        printed += text
      })
      for await (const text of server.stdout.iterator({ destroyOnReturn: false })) {
        printed += text
        const [, url] = GREETING.exec(printed) ?? []
        if (url !== undefined) return url
      }
      throw new Error(`stowage serve ended: ${printed}`)
    },
  }
}
