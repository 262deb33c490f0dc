import { chmod, cp, mkdir, realpath, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Client } from '../clients/command.ts'

/** What the commands of the Dockerfile run. */
const PROGRAMS = ['sh', 'env', 'mkdir', 'chown', 'chmod', 'ln']
const FOLDERS = ['bin', 'usr/bin', 'usr/local/bin', 'usr/local/lib/node_modules', 'etc/ssl/certs', 'tmp']
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt'

/**
 * Makes the root of a small Linux system with Node.js and npm out of files of this machine. It stands for the image that the Dockerfile
 * builds on, which these tests do not fetch.
 */
export async function makeBaseRoot({ run }: Client, root: string): Promise<void> {
  for (const folder of FOLDERS) await mkdir(join(root, folder), { recursive: true })
  await chmod(join(root, 'tmp'), 0o1777)
  const programs = new Map([[await realpath(process.execPath), 'usr/local/bin/node']])
  for (const name of PROGRAMS) {
    const found = (await run('sh', ['-c', `command -v ${name}`])).stdout.trim()
    programs.set(await realpath(found), join('bin', name))
  }
  for (const [program, place] of programs) {
    await cp(program, join(root, place))
    await copyLibraries({ run }, program, root)
  }
  // The first lines of scripts name it.
  await symlink('../../bin/env', join(root, 'usr/bin/env'))
  await copyNpm({ run }, root)
  await cp(process.env.NODE_EXTRA_CA_CERTS ?? CERTIFICATES, join(root, CERTIFICATES), { dereference: true })
  await writeFile(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n')
  await writeFile(join(root, 'etc/group'), 'root:x:0:\n')
}

/** What the image says to those who run it. */
export const BASE_ENVIRONMENT = {
  PATH: '/usr/local/bin:/usr/bin:/bin',
  // The machine's own, since a proxy may stand between it and the npm registry.
  NODE_EXTRA_CA_CERTS: CERTIFICATES,
}

async function copyLibraries({ run }: Pick<Client, 'run'>, program: string, root: string): Promise<void> {
  const { stdout } = await run('ldd', [program])
  for (const [, library = ''] of stdout.matchAll(/(?:=>\s*|^\s*)(\/\S+) \(0x/gm)) {
    await mkdir(dirname(join(root, library)), { recursive: true })
    await cp(library, join(root, library), { dereference: true })
  }
}

async function copyNpm({ run }: Pick<Client, 'run'>, root: string): Promise<void> {
  const installed = (await run('sh', ['-c', 'readlink -f "$(command -v npm)"'])).stdout.trim()
  const folder = dirname(dirname(installed))
  await cp(folder, join(root, 'usr/local/lib/node_modules/npm'), { recursive: true })
  await symlink('../lib/node_modules/npm/bin/npm-cli.js', join(root, 'usr/local/bin/npm'))
}
