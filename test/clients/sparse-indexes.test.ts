import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { startStowage, temporaryFolder } from '../stowage.ts'
import { type Client, clientAt } from './command.ts'
import { multiPlatformLayout } from './image.ts'
import { servedManifest, servedStatus } from './served.ts'

const TIMEOUT = { timeout: 120_000 }

interface Source {
  client: Client
  host: string
  image: string
}

/** A registry that has a multi-platform image, and clients that may push to it. */
async function openSource(t: TestContext, sparseIndexes: 'refuse' | 'allow'): Promise<Source> {
  const { url } = await startStowage(t, { sparseIndexes })
  const { host } = new URL(url)
  const folder = await temporaryFolder(t)
  const client = clientAt(folder)
  await client.run('regctl', ['registry', 'set', '--tls', 'disabled', host])
  await multiPlatformLayout(join(folder, 'in'))
  await client.run('regctl', ['image', 'copy', `ocidir://${folder}/in:latest`, `${host}/source:v1`])
  return { client, host, image: `${host}/source:v1` }
}

/** The manifests that a repository's index names and does not have. */
async function missingOf(host: string, repository: string): Promise<string[]> {
  const list = await fetch(`http://${host}/v2/${repository}/_stowage/manifests/list`)
  const { manifests } = (await list.json()) as { manifests: { missing?: string[] }[] }
  return manifests.flatMap(({ missing = [] }) => missing)
}

async function childrenOf(host: string, repository: string): Promise<string[]> {
  const { manifest } = await servedManifest(host, repository, 'v1')
  return (manifest.manifests ?? []).map(({ digest }) => digest)
}

function skopeoCopy(image: string, target: string): string[] {
  const insecure = ['--src-tls-verify=false', '--dest-tls-verify=false']
  return ['copy', ...insecure, '--multi-arch=index-only', `docker://${image}`, `docker://${target}`]
}

test('skopeo copies an index without its manifests if sparse indexes are allowed', TIMEOUT, async (t) => {
  const { client, host, image } = await openSource(t, 'allow')
  await client.run('skopeo', skopeoCopy(image, `${host}/mirror:v1`))
  const children = await childrenOf(host, 'mirror')
  assert.equal(children.length, 2)
  assert.deepEqual((await missingOf(host, 'mirror')).toSorted(), children.toSorted())
  for (const digest of children) assert.equal(await servedStatus(host, `mirror/manifests/${digest}`), 404)
  // An index that is there already is taken for whole, unless that is said.
  await client.run('regctl', ['image', 'copy', '--force-recursive', image, `${host}/mirror:v1`])
  assert.deepEqual(await missingOf(host, 'mirror'), [])
})

test('regctl copies some platforms of an index where sparse indexes are allowed', TIMEOUT, async (t) => {
  const { client, host, image } = await openSource(t, 'allow')
  await client.run('regctl', ['image', 'copy', '--platforms', 'linux/arm64', image, `${host}/mirror:v1`])
  const missing = await missingOf(host, 'mirror')
  assert.equal(missing.length, 1)
  const [present] = (await childrenOf(host, 'mirror')).filter((digest) => !missing.includes(digest))
  assert.equal(await servedStatus(host, `mirror/manifests/${present}`), 200)
})

test('skopeo shows which setting allows an index without its manifests', TIMEOUT, async (t) => {
  const { client, host, image } = await openSource(t, 'refuse')
  const { stderr } = await client.refuse('skopeo', skopeoCopy(image, `${host}/mirror:v1`))
  assert.match(stderr, /--sparse-indexes allow/)
})
