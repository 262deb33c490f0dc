import { execFileSync } from 'node:child_process'
import { chownSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A PostgreSQL that only this test uses: with its defaults, so that each commit is synced, on a Unix socket in its own folder. */
export interface Cluster {
  /** The folder of its socket. */
  host: string
  stop(): void
}

const INSTALLED = '/usr/lib/postgresql'

/** Makes a cluster and starts it. It does not run as root, so root starts it as the user that Debian's package made. */
export function startCluster(): Cluster {
  const version = readdirSync(INSTALLED).toSorted((one, two) => Number(two) - Number(one))[0] ?? ''
  const run = (program: string, ...options: string[]) =>
    execFileSync(join(INSTALLED, version, 'bin', program), options, {
      ...user,
      cwd: '/',
      stdio: ['ignore', 'ignore', 'inherit'],
    })
  const folder = mkdtempSync(join(tmpdir(), 'stowage-postgresql-'))
  const user = process.getuid?.() === 0 ? { uid: idOf('-u'), gid: idOf('-g') } : undefined
  if (user !== undefined) chownSync(folder, user.uid, user.gid)
  const data = join(folder, 'data')
  run('initdb', '-D', data, '-A', 'trust', '-U', 'stowage', '--no-sync')
  run(
    'pg_ctl',
    '-D',
    data,
    '-w',
    '-l',
    join(folder, 'log'),
    '-o',
    `-k ${folder} -c listen_addresses=`,
    'start',
  )
  return {
    host: folder,
    stop() {
      run('pg_ctl', '-D', data, '-w', '-m', 'immediate', 'stop')
      rmSync(folder, { recursive: true })
    },
  }
}

function idOf(option: '-u' | '-g'): number {
  return Number(execFileSync('id', [option, 'postgres'], { encoding: 'utf8' }))
}
