import { execFile } from 'node:child_process'
import { access, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Command, System } from './system.ts'

/** The project's folder. */
export const PROJECT = join(import.meta.dirname, '..')
const BUILT = join(PROJECT, '.cache/peers/bin')

/** A system that may be on this machine. */
interface Candidate {
  system: System
  /** Its program, by name or path. */
  program: string
  /** Where to get it. */
  from: string
}

/** Stowage, of a checkout; with its data in a folder of the run unless another is named, and with further flags. */
export function stowage(
  name: string,
  project: string,
  { data, flags = [] }: { data?: string; flags?: readonly string[] } = {},
): System {
  return {
    name,
    kind: 'stowage',
    command: (folder, port) => ({
      program: process.execPath,
      args: [
        '--disable-warning=ExperimentalWarning',
        join(project, 'src/cli/main.ts'),
        'serve',
        ...['--listen', `127.0.0.1:${port}`, '--data', data ?? join(folder, 'data')],
        ...['--log-level', 'warn', ...flags],
      ],
    }),
  }
}

const CANDIDATES: readonly Candidate[] = [
  peer('olareg', join(BUILT, 'olareg'), { command: olaregCommand, from: '.ci/peers-setup' }),
  peer('distribution', join(BUILT, 'registry'), { command: distributionCommand, from: '.ci/peers-setup' }),
  peer('docker-registry', 'docker-registry', { command: distributionCommand, from: '.ci/peers-setup' }),
  peer('zot', 'zot', { command: zotCommand, from: 'a release of zot, on the PATH' }),
  {
    system: { name: 'nginx', kind: 'files', command: nginxCommand },
    program: '/usr/sbin/nginx',
    from: '.ci/bench-setup',
  },
]

function peer(
  name: string,
  program: string,
  {
    command,
    from,
  }: { command: (program: string, folder: string, port: number) => Promise<Command>; from: string },
): Candidate {
  const system: System = {
    name,
    kind: 'peer',
    command: async (folder, port) => await command(program, folder, port),
  }
  return { system, program, from }
}

/** All systems of this machine but Stowage, and a line for each that isn't there. */
export async function findSystems(): Promise<{ systems: System[]; missing: string[] }> {
  const systems: System[] = []
  const missing: string[] = []
  for (const { system, program, from } of CANDIDATES) {
    if (await isThere(program)) systems.push(system)
    else missing.push(`${system.name} is left out: there is no ${program} (${from})`)
  }
  return { systems, missing }
}

/** Whether a program is there, by its path or on the PATH. */
export async function isThere(program: string): Promise<boolean> {
  const found = program.includes('/') ? access(program) : promisify(execFile)('which', [program])
  return await Promise.resolve(found).then(
    () => true,
    () => false,
  )
}

/** Both lines of Distribution, with their defaults and deletion on. */
async function distributionCommand(program: string, folder: string, port: number): Promise<Command> {
  const config = join(folder, 'config.yml')
  const settings = {
    version: '0.1',
    storage: { filesystem: { rootdirectory: join(folder, 'data') }, delete: { enabled: true } },
    http: { addr: `127.0.0.1:${port}`, secret: 'of a benchmark' },
  }
  await writeFile(config, JSON.stringify(settings))
  return { program, args: ['serve', config], env: { OTEL_TRACES_EXPORTER: 'none' } }
}

async function olaregCommand(program: string, folder: string, port: number): Promise<Command> {
  const where = ['--addr', '127.0.0.1', '--port', `${port}`, '--dir', join(folder, 'data')]
  return { program, args: ['serve', ...where, '--api-delete', '--api-blob-delete'] }
}

async function zotCommand(program: string, folder: string, port: number): Promise<Command> {
  const config = join(folder, 'config.json')
  const settings = {
    distSpecVersion: '1.1.1',
    storage: { rootDirectory: join(folder, 'data') },
    http: { address: '127.0.0.1', port: `${port}` },
    log: { level: 'warn' },
  }
  await writeFile(config, JSON.stringify(settings))
  return { program, args: ['serve', config] }
}

/** Where nginx finds the files that it serves under the paths of a registry. */
export function filesFolder(folder: string): string {
  return join(folder, 'files')
}

async function nginxCommand(folder: string, port: number): Promise<Command> {
  const config = join(folder, 'nginx.conf')
  await mkdir(join(filesFolder(folder), 'v2'), { recursive: true })
  await mkdir(join(folder, 'tmp'))
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${folder}/tmp/${name};`)
    .join(' ')
  const settings = `
    daemon off; worker_processes auto; pid ${folder}/nginx.pid; error_log stderr error;
    ${process.getuid?.() === 0 ? 'user root;' : ''}
    events { worker_connections 4096; }
    http {
      access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; ${temporary}
      server { listen 127.0.0.1:${port}; root ${filesFolder(folder)}; }
    }`
  await writeFile(config, settings)
  return { program: '/usr/sbin/nginx', args: ['-p', folder, '-c', config, '-e', 'stderr'] }
}
