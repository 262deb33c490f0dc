import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { runScript, scriptsOf } from '../clients/guide.ts'
import { manifestDescriptor, manifestOf, OCI_INDEX, pushImage, pushManifest } from '../content.ts'
import { startStowage, temporaryFolder } from '../stowage.ts'
import { distribution, olareg, type Peer, startPeer } from './peer.ts'

const APP = 'team/app'
const BASE = 'team/base'
const [SET_PLAIN = '', LIST = '', COPY = '', COMPARE = '', COPY_IMAGES = ''] = scriptsOf(
  'move-from-another-registry.md',
)
/** An SBOM of an image and a signature of that SBOM, by a client that knows how registries without the referrers API keep them. */
const ATTACH = `
regctl registry set --skip-check --tls disabled "$OLD"
sbom=$(echo '{}' | regctl artifact put --artifact-type application/spdx+json --subject "$OLD/$IMAGE" --format '{{.Manifest.GetDescriptor.Digest}}')
echo signed | regctl artifact put --artifact-type application/vnd.example.signature --subject "$OLD/\${IMAGE%@*}@$sbom" >signed.txt
echo "$sbom"`

/** Two registries, the old one with content, and the variables of the guide's scripts. */
interface Move {
  folder: string
  url: string
  env: { OLD: string; NEW: string }
  /** What the old one has, by references. */
  content: { name: string; references: string[] }[]
  /** The digest of an image that has an SBOM, and that of the SBOM. */
  described: string
  sbom: string
}

async function beginMove(t: TestContext, peer: Peer): Promise<Move> {
  const [old, { url }] = [await startPeer(t, peer), await startStowage(t)]
  const folder = await temporaryFolder(t)
  const env = { OLD: new URL(old).host, NEW: new URL(url).host }
  const base = await pushImage(old, BASE, 'v1')
  const images = [await pushImage(old, APP), await pushImage(old, APP)] as const
  const index = manifestOf({ manifests: images.map(manifestDescriptor) }, OCI_INDEX)
  for (const tag of ['v1', 'latest']) {
    const pushed = await pushManifest(old, APP, index, tag)
    assert.equal(pushed.status, 201, await pushed.text())
  }
  const described = images[1].digest
  const [sbom = ''] = await runScript(folder, ATTACH, { ...env, IMAGE: `${APP}@${described}` })
  const digests = [index, ...images].map(({ digest }) => digest)
  const content = [
    { name: APP, references: ['v1', 'latest', ...digests] },
    { name: BASE, references: ['v1', base.digest] },
  ]
  return { folder, url, env, content, described, sbom }
}

async function assertMoved({ url, content }: Move): Promise<void> {
  for (const { name, references } of content) {
    for (const reference of references) {
      const answer = await fetch(`${url}/v2/${name}/manifests/${reference}`, { method: 'HEAD' })
      assert.equal(answer.status, 200, `${name} ${reference}`)
    }
  }
}

async function referrersOf(url: string, digest: string): Promise<string[]> {
  const answer = await fetch(`${url}/v2/${APP}/referrers/${digest}`)
  const { manifests } = (await answer.json()) as { manifests: { artifactType: string }[] }
  return manifests.map(({ artifactType }) => artifactType)
}

async function assertDescribed({ url, described, sbom }: Move): Promise<void> {
  assert.deepEqual(await referrersOf(url, described), ['application/spdx+json'])
  assert.deepEqual(await referrersOf(url, sbom), ['application/vnd.example.signature'])
}

test('everything that Distribution has is moved, with its referrers, and the comparison shows what is missing', async (t) => {
  const move = await beginMove(t, distribution)
  const { folder, env } = move
  await runScript(folder, SET_PLAIN + LIST, env)
  const missing = await runScript(folder, COMPARE, env)
  assert.equal(missing.filter((line) => line.endsWith(', but here nothing')).length, missing.length)
  assert.ok(missing.length >= 3)
  await runScript(folder, COPY, env)
  await assertMoved(move)
  await assertDescribed(move)
  assert.deepEqual(await runScript(folder, COMPARE, env), [])
})

test('from olareg, which does not list its repositories, everything is moved by their names', async (t) => {
  const move = await beginMove(t, olareg)
  const { folder, env, content } = move
  await writeFile(join(folder, 'repositories.txt'), content.map(({ name }) => `${name}\n`).join(''))
  await runScript(folder, SET_PLAIN, env)
  await runScript(folder, `${COPY}${COMPARE}`, env).then((lines) => assert.deepEqual(lines, []))
  await assertMoved(move)
  await assertDescribed(move)
})

test('images alone are moved by crane', async (t) => {
  const move = await beginMove(t, distribution)
  await runScript(move.folder, LIST + COPY_IMAGES, move.env)
  await assertMoved(move)
})
