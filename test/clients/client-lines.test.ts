import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { startStowage, temporaryFolder } from '../stowage.ts'
import { type Client, clientAt } from './command.ts'
import { startContainerd } from './containerd.ts'
import { sectionsOf } from './guide.ts'
import { imageLayout } from './image.ts'

/** The address that the guide names. */
const ADDRESS = '127.0.0.1:5000'
const FLAG = / --(?:src-|dest-)?(?:tls-verify=false|plain-http|insecure-registry)\b/g
const SECTIONS = sectionsOf('clients.md')
/** These sign what is there already. */
const SIGNERS = ['cosign', 'notation']

/** A folder with `app.tar` in it, where scripts run with settings and stores of their own. */
interface Desk {
  /** Runs a script that must succeed. */
  do(script: string): Promise<unknown>
  /** Runs a script that must fail. */
  fail(script: string): Promise<unknown>
}

async function openDesk(t: TestContext, section: string): Promise<Desk> {
  const folder = await temporaryFolder(t)
  const home = join(folder, 'home')
  await mkdir(home)
  const client = clientAt(home)
  await imageLayout(join(folder, 'layout'))
  const image = ['oci:layout:latest', 'docker-archive:app.tar:app:latest']
  await client.run('skopeo', ['copy', '--quiet', ...image], { cwd: folder })
  const env = {
    ...(await podmanSettings(folder)),
    ...(section === 'containerd' && (await containerdSettings(t, client))),
    COSIGN_PASSWORD: 'of a test',
  }
  const bash = (script: string) => ['--norc', '-euo', 'pipefail', '-c', script]
  return {
    do: (script) => client.run('bash', bash(script), { cwd: folder, env }),
    fail: (script) => client.refuse('bash', bash(script), { cwd: folder, env }),
  }
}

/** Stores below a folder, for podman, buildah and skopeo, that need no system around them. */
async function podmanSettings(folder: string): Promise<Record<string, string>> {
  const [storage, containers] = [join(folder, 'storage.conf'), join(folder, 'containers.conf')]
  await writeFile(
    storage,
    `[storage]\ndriver = "vfs"\ngraphroot = "${folder}/root"\nrunroot = "${folder}/run"\n`,
  )
  await writeFile(containers, '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\n')
  return { CONTAINERS_STORAGE_CONF: storage, CONTAINERS_CONF: containers }
}

async function containerdSettings(t: TestContext, client: Client): Promise<Record<string, string>> {
  let stop = async () => {}
  // Before its folder goes.
  t.after(() => stop())
  const containerd = await startContainerd({ ...client, folder: () => temporaryFolder(t) })
  stop = containerd.stop
  return { CONTAINERD_ADDRESS: containerd.socket, CONTAINERD_SNAPSHOTTER: 'native' }
}

async function hasDocker(): Promise<boolean> {
  const asked = promisify(execFile)('docker', ['version'], { timeout: 10_000 })
  return await asked.then(
    () => true,
    () => false,
  )
}

async function tagsOf(url: string, name: string): Promise<string[] | undefined> {
  const answer = await fetch(`${url}/v2/${name}/tags/list`)
  if (answer.status === 404) return undefined
  return ((await answer.json()) as { tags: string[] }).tags
}

for (const [section, script] of SECTIONS) {
  test(`the lines for ${section} push and pull, and no flag of them is needless`, async (t) => {
    if (section === 'docker' && !(await hasDocker())) return t.skip('no docker daemon runs here')
    const { url } = await startStowage(t)
    const lines = (text: string) => text.replaceAll(ADDRESS, new URL(url).host)
    const desk = await openDesk(t, section)
    if (SIGNERS.includes(section)) await desk.do(lines(SECTIONS.get('crane') ?? ''))
    const bare = script.replaceAll(FLAG, '')
    if (bare !== script) await (await openDesk(t, section)).fail(lines(bare))
    await desk.do(lines(script))

    const named = script.match(/127\.0\.0\.1:5000\/(team\/\w+):(v1)/) ?? ['', 'team/app', '0.1.0']
    const [, name = '', tag = ''] = named
    assert.ok((await tagsOf(url, name))?.includes(tag), `${name}:${tag} is not there`)
    if (SIGNERS.includes(section)) {
      const manifest = await fetch(`${url}/v2/${name}/manifests/${tag}`, {
        method: 'HEAD',
        headers: { Accept: '*/*' },
      })
      const digest = manifest.headers.get('docker-content-digest')
      const referrers = await fetch(`${url}/v2/${name}/referrers/${digest}`)
      assert.equal(((await referrers.json()) as { manifests: object[] }).manifests.length, 1)
    }
  })
}

test('each client of the guide has lines', () => {
  const clients = ['docker', 'podman', 'buildah', 'skopeo', 'containerd', 'crane', 'regctl', 'oras', 'helm']
  for (const client of [...clients, ...SIGNERS]) assert.ok(SECTIONS.has(client), client)
})
