import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Client, type CommandOptions, clientAt, type Outcome } from '../clients/command.ts'
import { BASE_ENVIRONMENT, makeBaseRoot } from './base-image.ts'

const PROJECT = fileURLToPath(new URL('../..', import.meta.url))
const PROGRAMS = fileURLToPath(new URL('../../.cache/deploy/python/bin', import.meta.url))
const NEEDED = ['buildah', 'podman', 'runc', 'skopeo', 'podman-compose']
const BASE = 'localhost/node-base'
/** The image of the Dockerfile. */
export const IMAGE = 'localhost/stowage'

/** Images and containers of one test file, and the tools that work on them. */
export interface ContainerStore {
  readonly folder: string
  readonly client: Client
  /** Runs podman, which must succeed. @returns what it printed on its standard output */
  podman(...args: string[]): Promise<string>
  /** Runs podman, which must fail. */
  podmanRefuses(...args: string[]): Promise<Outcome>
  /** Runs another program with the same images and containers, such as buildah. */
  run(program: string, args: readonly string[], options?: CommandOptions): Promise<string>
  /** Why containers cannot run here; undefined if they can. */
  findObstacle(): Promise<string | undefined>
  /** Builds the image of the Dockerfile on a base of this machine's files. */
  build(): Promise<void>
  close(): Promise<void>
}

export async function openContainerStore(): Promise<ContainerStore> {
  const folder = await mkdtemp(join(tmpdir(), 'stowage-deploy-'))
  const home = join(folder, 'home')
  await mkdir(home)
  const client = clientAt(home)
  const env = { ...(await storeSettings(folder)), PATH: searchPath() }
  const run = async (program: string, args: readonly string[], options: CommandOptions = {}) =>
    (await client.run(program, args, { env, ...options })).stdout.trim()
  return {
    folder,
    client,
    run,
    podman: (...args) => run('podman', args),
    podmanRefuses: (...args) => client.refuse('podman', args, { env }),
    async findObstacle() {
      const absent = await absentPrograms(client)
      if (absent.length > 0) return `run .ci/deploy-setup: ${absent.join(', ')} not found`
      await importBase(run, client, folder)
      return await run('podman', ['run', '--rm', '--read-only', BASE, 'sh', '-c', ':']).then(
        () => undefined,
        (error: Error) => `no container runs here: ${error.message}`,
      )
    },
    async build() {
      const flags = ['--quiet', '--format', 'docker', '--isolation', 'chroot', '--pull-never']
      const base = ['--build-arg', `NODE_IMAGE=${BASE}`]
      await run('buildah', ['build', ...flags, ...base, '--tag', IMAGE, PROJECT], { seconds: 300 })
    },
    async close() {
      await run('podman', ['rm', '--force', '--all', '--volumes', '--time', '0']).catch(() => '')
      await run('buildah', ['rm', '--all']).catch(() => '')
      await rm(folder, { recursive: true, force: true, maxRetries: 3 })
    },
  }
}

async function absentPrograms({ run }: Client): Promise<string[]> {
  const asked = NEEDED.map((name) => `command -v ${name} >/dev/null || echo ${name}`)
  const { stdout } = await run('sh', ['-c', asked.join('\n')], { env: { PATH: searchPath() } })
  return stdout.split('\n').filter((name) => name !== '')
}

function searchPath(): string {
  // Some systems leave the folders of the administrator out.
  return `${PROGRAMS}:${process.env.PATH}:/usr/sbin:/sbin`
}

/** A store that needs no system around it: no systemd, no network of its own, no more files than this process may have. */
async function storeSettings(folder: string): Promise<Record<string, string>> {
  const [storage, containers] = [join(folder, 'storage.conf'), join(folder, 'containers.conf')]
  await writeFile(
    storage,
    `[storage]\ndriver = "overlay"\ngraphroot = "${folder}/root"\nrunroot = "${folder}/run"\n`,
  )
  const lines = [
    '[containers]',
    'default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]',
    'netns = "host"',
    '[engine]',
    'runtime = "runc"',
    'cgroup_manager = "cgroupfs"',
    'events_logger = "none"',
    `tmp_dir = "${folder}/engine"`,
  ]
  await writeFile(containers, `${lines.join('\n')}\n`)
  return { CONTAINERS_STORAGE_CONF: storage, CONTAINERS_CONF: containers }
}

async function importBase(run: ContainerStore['run'], client: Client, folder: string): Promise<void> {
  const root = join(folder, 'base')
  const archive = join(folder, 'base.tar')
  await makeBaseRoot(client, root)
  await run('tar', ['--create', '--file', archive, '--directory', root, '.'])
  const environment = Object.entries(BASE_ENVIRONMENT).flatMap(([name, value]) => [
    '--change',
    `ENV ${name}=${value}`,
  ])
  await run('podman', ['import', '--quiet', ...environment, archive, BASE])
  await rm(root, { recursive: true })
  await rm(archive)
}
